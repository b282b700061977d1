/* sendmail -bv: where mail for somebody would go. */
#pragma once

#include <stdio.h>

#include "submit/submission.h"

/**
 * Prints one line for each recipient operand's address: what it stands for,
 * the account and its host. Reads no input, sends nothing. Fails as names_add_recipient and
 * config_choose, EX_USAGE without recipients.
 */
bool verify_recipients(const struct config *config, const struct submission *s, FILE *out,
	struct error *err) NODISCARD;
