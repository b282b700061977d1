/* Encoding and decoding undo each other, both ways: no two texts decode to the
 * same octets. */
#include <stdlib.h>

#include "base/base64.h"

static void check(bool is_true)
{
	if (!is_true)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice input = {(const char *)data, size};
	CLEANUP(buf_done) struct buf encoded = BUF(2 * size + 8);
	CLEANUP(buf_done) struct buf decoded = BUF(size + 8);
	CLEANUP(buf_done) struct buf again = BUF(2 * size + 8);

	base64_encode(&encoded, input);
	check(base64_decode(&decoded, buf_slice(&encoded)));
	check(slice_eq(buf_slice(&decoded), input));

	buf_clear(&decoded);
	if (base64_decode(&decoded, input)) {
		base64_encode(&again, buf_slice(&decoded));
		check(slice_eq(buf_slice(&again), input));
	} else {
		check(decoded.len == 0);
	}
	return 0;
}
