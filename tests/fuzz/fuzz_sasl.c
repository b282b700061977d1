/* Login mechanisms against arbitrary challenges. The first octet chooses the
 * mechanism; each following line is one challenge, raw where the octet's high
 * bit is set (it is encoded then), else as it would stand behind "334 ". */
#include <stdlib.h>

#include "base/base64.h"
#include "smtp/sasl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool give(struct sasl *s, struct slice line, bool is_raw)
{
	CLEANUP(buf_done) struct buf encoded = BUF(SASL_TEXT_MAX * 2);
	CLEANUP(buf_wipe) struct buf response = BUF(SASL_TEXT_MAX);
	struct error err = {0};

	if (is_raw)
		base64_encode(&encoded, line);
	if (sasl_step(s, is_raw ? buf_slice(&encoded) : line, &response, &err))
		return true;
	if (err.exit_code == 0)
		abort();
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;

	struct sasl_params params = {
		.mechanism = (enum sasl_mechanism)((data[0] & 0x7f) % SASL_COUNT),
		.user = "user",
		.secret = SLICE("pencil"),
		.host = "h",
		.port = 587,
		.binding_name = "tls-exporter",
		.binding = SLICE("binding"),
		.nonce = "fyko+d2lbbFgONRv9qkxdawL",
	};
	struct slice rest = {(const char *)data + 1, size - 1};
	CLEANUP(buf_wipe) struct buf first = BUF(SASL_TEXT_MAX);
	struct sasl *s = NULL;
	struct error err = {0};

	/* A million rounds are allowed, and would be all this does. */
	if (slice_search(rest, SLICE("i=")) < rest.len &&
		slice_search(rest, SLICE("i=4096")) == rest.len &&
		slice_search(rest, SLICE("i=1,")) == rest.len)
		return 0;
	if (!sasl_new(&params, &s, &err))
		abort();
	(void)sasl_start(s, &first);
	while (rest.len > 0) {
		size_t end = slice_find(rest, '\n');

		if (!give(s, slice_upto(rest, end), data[0] >= 0x80))
			break;
		rest = slice_from(rest, end + 1);
	}
	(void)sasl_is_complete(s);
	sasl_free(s);
	return 0;
}
