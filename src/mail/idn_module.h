/* What the loadable module "idn" offers: the one part of the program that is
 * linked with libidn2. */
#pragma once

#include "base/common.h"

struct idn_module {
	/* Turns a UTF-8 domain into A-labels (UTS 46, not transitional; RFC 5891),
	 * in out, NUL-terminated. NULL on success, else words for the cause. */
	const char *(*to_ascii)(const char *domain, char *out, size_t space);
};

/* The symbol of the module. */
extern const struct idn_module pillarbox_idn;
