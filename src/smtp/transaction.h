/* One mail transaction: MAIL, RCPT for a group of recipients, and the message
 * by DATA or BDAT. It is made of four steps, so that the flights of several
 * transactions can be laid into one another:
 *
 *   begin     puts the commands, and a small BDAT message as a whole
 *   envelope  reads the replies to the commands
 *   body      puts the message that was not sent in begin
 *   final     reads the reply to the whole, settles the recipients
 *
 * Without PIPELINING begin waits for each reply itself. After a transaction
 * has failed every step but the reading of what is outstanding does nothing.
 * RFC 5321 section 3.3, 2920, 3030, 2033. */
#pragma once

#include "smtp/dialogue.h"

/* Octets of a message that goes along with its commands by BDAT. */
enum { TRANSACTION_WHOLE_MAX = 65536 };

enum attempt_state {
	ATTEMPT_OPEN,     /* not answered yet */
	ATTEMPT_ACCEPTED, /* RCPT was accepted */
	ATTEMPT_AGAIN,    /* goes with the next transaction */
	ATTEMPT_ANSWERED, /* settled for this call of smtp_send */
};

/* One recipient on its way through smtp_send. */
struct attempt {
	struct recipient *recipient;
	enum recipient_state was; /* before this transaction */
	enum attempt_state state;
	bool with_parameters; /* its RCPT had some */
};

struct transaction {
	struct smtp_session *session;
	struct smtp_mail *mail;
	struct attempt **group; /* owned list, borrowed attempts */
	size_t count;
	size_t put;      /* RCPT commands put */
	size_t answered; /* RCPT replies read */
	size_t accepted;
	bool chunked;      /* BDAT, not DATA */
	bool in_bulk;      /* other transactions share the flights: no waiting in begin */
	bool was_in_doubt; /* transaction_left_doubt: the message does not go with its commands */
	bool may_quit;     /* nothing is left to send after this transaction */
	bool awaits_rset;
	bool awaits_mail;
	bool awaits_data;
	bool mail_ok;
	bool data_ok;            /* 354 was read */
	bool has_options;        /* MAIL had optional parameters */
	unsigned chunks_awaited; /* BDAT commands whose reply was not read */
	bool awaits_final;       /* everything was put: the last reply is the final one */
	bool knows_bdat;         /* a chunk was accepted */
	bool is_on_the_way;      /* counted in the session */
	bool is_flushed;         /* the last octet of the message is with the kernel */
	bool is_uncertain;       /* the message may have been taken */
	bool is_definite;        /* the server's answer settles earlier doubt */
	bool try_again;          /* in another way: the attempts are open again */
	bool is_delivered;
	int64_t limit_ms; /* deadline of all replies to the commands together */
	bool has_failed;
	struct error failure; /* of the message as a whole, for this group */
};

/**
 * True where an earlier attempt lost the connection when the whole message was
 * on its way. Some servers break off at a refusal of MAIL that has the message
 * behind it (Dovecot 2.3's submission service): such a message waits for the
 * replies to its commands, and takes no other along.
 */
bool transaction_left_doubt(const struct smtp_mail *mail);

/** True where the server refused BODY=8BITMIME, and the content still is what needs it. */
bool transaction_lacks_form(const struct smtp_session *s, const struct smtp_mail *mail);

/** Prepares a transaction for a group. Takes ownership of the list. */
void transaction_init(struct transaction *t, struct smtp_session *s, struct smtp_mail *mail,
	struct attempt **group, size_t count);

/** Frees the list. */
void transaction_done(struct transaction *t);

/** Puts RSET where it is needed, MAIL, RCPT…, and DATA or a small message with BDAT. */
void transaction_begin(struct transaction *t);

/** Reads all replies that are outstanding, but not the final one. */
void transaction_envelope(struct transaction *t);

/** Puts the message where begin did not, and QUIT behind it where mail->is_last allows. */
void transaction_body(struct transaction *t);

/**
 * Reads the final reply and sets the states of the recipients: DELIVERED,
 * FAILED, PENDING, SENT (in doubt), or as they were where nothing was learnt.
 */
void transaction_final(struct transaction *t);

/* ---- shared by the two files of the transaction ---- */

/** Notes why the message failed as a whole; the first cause stays. */
void transaction_fail(struct transaction *t, const struct error *cause);

/** Reads one reply within the limits of the commands; a failure is noted. */
bool transaction_read(struct transaction *t, enum smtp_phase phase);

/** Notes s->reply for a recipient. */
void transaction_note(struct transaction *t, struct attempt *a);

/** True while there is a reason to send the message. */
bool transaction_is_on(const struct transaction *t);

/** Marks those who are to get the message as in doubt and tells the caller; false: it objects. */
bool transaction_mark_sent(struct transaction *t);

/** Notes that the replies are lost: as transaction_fail, in doubt where the message was sent. */
void transaction_lose(struct transaction *t, struct error *cause);

/** Fails the message with s->reply, which refused a phase, and notes it for all recipients. */
void transaction_refuse(struct transaction *t, enum smtp_phase phase);

/** Puts QUIT behind the message where nothing else will follow it. */
void transaction_put_quit(struct transaction *t);

/** True where the message goes in the flight of the commands: small, and not in doubt. */
bool transaction_is_whole(const struct transaction *t);
