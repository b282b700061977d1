#include "mail/idn_module.h"

#include <idn2.h>
#include <string.h>

static const char *to_ascii(const char *domain, char *out, size_t space)
{
	uint8_t *converted = NULL;
	int result = idn2_lookup_u8(
		(const uint8_t *)domain, &converted, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);

	if (result != IDN2_OK)
		return idn2_strerror(result);

	size_t len = strlen((const char *)converted);
	bool fits = len < space;

	if (fits)
		memcpy(out, converted, len + 1);
	idn2_free(converted);
	return fits ? NULL : "it is too long";
}

EXPORTED const struct idn_module pillarbox_idn = {.to_ascii = to_ascii};
