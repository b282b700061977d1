#include "mail/status.h"

#include <string.h>

enum { MINUTE = 60 };

/* Where RFC 5321 section 4.5.3.2 names a limit, it is that one; a SASL exchange
 * has the three minutes of RFC 4954 section 4's time-outs at the server. */
const struct phase_facts phase_table[PHASE_COUNT] = {
	[PHASE_RESOLVE] = {"DNS", "name look-up", MINUTE},
	[PHASE_CONNECT] = {"CONNECT", "connection", MINUTE},
	[PHASE_GREETING] = {"GREETING", "connection", 5 * MINUTE},
	[PHASE_EHLO] = {"EHLO", "greeting", 5 * MINUTE},
	[PHASE_STARTTLS] = {"STARTTLS", "start of TLS", 2 * MINUTE},
	[PHASE_TLS] = {"TLS", "TLS handshake", 2 * MINUTE},
	[PHASE_AUTH] = {"AUTH", "login", 3 * MINUTE},
	[PHASE_MAIL] = {"MAIL FROM", "sender", 5 * MINUTE},
	[PHASE_RCPT] = {"RCPT TO", "recipient", 5 * MINUTE},
	[PHASE_DATA] = {"DATA", "message", 2 * MINUTE},
	[PHASE_BODY] = {"message data", "message", 3 * MINUTE},
	[PHASE_FINAL] = {"end of data", "message", 10 * MINUTE},
	[PHASE_RSET] = {"RSET", "reset", 2 * MINUTE},
	[PHASE_QUIT] = {"QUIT", "farewell", 10},
};

/* Replies of the classes 4 and 5 that do not mean what their first digit says.
 * The first row that fits counts; code 0 fits every code of the class. */
static const struct fate_rule {
	enum smtp_phase phase;
	int class;
	int code;
	enum fate fate;
} fate_rules[] = {
	/* Other hosts, or this one in a better hour, may welcome us: a message
	 * is not refused by a server that has not heard of it. */
	{PHASE_RESOLVE, 5, 0, FATE_LATER},
	{PHASE_CONNECT, 5, 0, FATE_LATER},
	{PHASE_GREETING, 5, 0, FATE_LATER},
	/* A server without EHLO has neither TLS nor AUTH: something in between
	 * speaks in its place, as captive portals and inspecting firewalls do. */
	{PHASE_EHLO, 5, 500, FATE_LATER},
	{PHASE_EHLO, 5, 502, FATE_LATER},
	{PHASE_EHLO, 5, 504, FATE_LATER},
	{PHASE_EHLO, 5, 550, FATE_LATER},
	{PHASE_STARTTLS, 5, 0, FATE_LATER},
	{PHASE_TLS, 5, 0, FATE_LATER},
	/* RFC 5321 section 4.5.3.1.10: "too many recipients" of old servers. */
	{PHASE_RCPT, 5, 552, FATE_LATER},
	{PHASE_RSET, 5, 0, FATE_LATER},
	{PHASE_QUIT, 5, 0, FATE_LATER},
};

enum fate status_fate(enum smtp_phase phase, int code)
{
	int class = code / 100;

	for (size_t i = 0; i < ARRAY_LEN(fate_rules); i++) {
		const struct fate_rule *rule = &fate_rules[i];

		if (rule->phase == phase && rule->class == class &&
			(rule->code == 0 || rule->code == code))
			return rule->fate;
	}
	if (class == 5)
		return FATE_PERMANENT;
	if (class == 4)
		return FATE_LATER;
	/* Behind the last octet of a message no answer, or one that is neither
	 * yes nor no, leaves open who has it. */
	return phase == PHASE_FINAL ? FATE_UNCERTAIN : FATE_LATER;
}

/* Which exit code a permanent refusal gives: the first row that fits. Code 0
 * fits all codes; the enhanced code fits by its beginning. */
static const struct exit_rule {
	enum smtp_phase phase;
	int code;
	const char *enhanced;
	int exit_code;
} exit_rules[] = {
	{PHASE_AUTH, 0, "", EX_NOPERM},
	/* The login may not send from this address, or there was none. */
	{PHASE_MAIL, 530, "", EX_NOPERM},
	{PHASE_MAIL, 535, "", EX_NOPERM},
	{PHASE_MAIL, 553, "5.1.", EX_UNAVAILABLE},
	{PHASE_MAIL, 553, "", EX_NOPERM},
	/* SIZE, RFC 1870 section 6: it is the message that is too large. */
	{PHASE_MAIL, 552, "", EX_DATAERR},
	{PHASE_MAIL, 0, "5.2.3", EX_DATAERR},
	{PHASE_MAIL, 0, "5.3.4", EX_DATAERR},
	{PHASE_RCPT, 530, "", EX_NOPERM},
	{PHASE_RCPT, 535, "", EX_NOPERM},
	{PHASE_RCPT, 0, "", EX_NOUSER},
	{PHASE_DATA, 530, "", EX_NOPERM},
	{PHASE_DATA, 0, "", EX_DATAERR},
	{PHASE_BODY, 0, "", EX_DATAERR},
	{PHASE_FINAL, 530, "", EX_NOPERM},
	{PHASE_FINAL, 0, "", EX_DATAERR},
};

int status_exit_code(enum smtp_phase phase, int code, const char *enhanced)
{
	for (size_t i = 0; i < ARRAY_LEN(exit_rules); i++) {
		const struct exit_rule *rule = &exit_rules[i];

		if (rule->phase == phase && (rule->code == 0 || rule->code == code) &&
			strncmp(enhanced ? enhanced : "", rule->enhanced, strlen(rule->enhanced)) ==
				0)
			return rule->exit_code;
	}
	return EX_UNAVAILABLE;
}
