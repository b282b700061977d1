#include "mail/idn.h"

#include "base/module.h"
#include "base/text.h"
#include "mail/idn_module.h"

enum {
	ASCII_SPACE = 512,  /* more than any domain needs */
	SHOWN_OCTETS = 300, /* of a domain at fault */
};

bool idn_to_ascii(struct arena *arena, const char *domain, const char **out, struct error *err)
{
	const struct idn_module *module;
	char ascii[ASCII_SPACE];
	void *symbol;

	if (!module_load("idn", "pillarbox_idn", &symbol, err))
		return false;
	module = symbol;

	const char *why = module->to_ascii(domain, ascii, sizeof(ascii));

	if (why) {
		char shown[SHOWN_OCTETS];

		text_sanitize_into(shown, sizeof(shown), slice_of(domain));
		return error_set(err, EX_DATAERR, "the domain '%s' is not valid: %s", shown, why);
	}
	*out = arena_strdup(arena, ascii);
	return true;
}
