/* sendmail -bv: where mail for somebody would go. */
#pragma once

#include <stdio.h>

#include "submit/submission.h"

/** Is told why a recipient leads nowhere; the error is borrowed. */
typedef void verify_fault_fn(void *context, const struct error *fault);

/**
 * Prints one line for each recipient operand's address: what it stands for,
 * the account and its host. Reads no input, sends nothing.
 *
 * fault  told of each operand at fault; the others are printed all the same
 *
 * Fails as config_choose, with EX_USAGE without recipients, and with the exit
 * code of the first fault where there was one: then the words are the count.
 */
bool verify_recipients(const struct config *config, const struct submission *s, FILE *out,
	verify_fault_fn *fault, void *context, struct error *err) NODISCARD;
