/* A trust file, and the front of a certificate as a server may show it. */
#include <stdlib.h>
#include <string.h>

#include "net/anchor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice input = {(const char *)data, size};
	struct slice rest = input, issuer, subject;
	struct anchor_block block;

	while (anchor_take_block(&rest, &block)) {
		unsigned char der[600 + ANCHOR_DECODE_SLACK];
		size_t len = anchor_decode(block.body, der, 600);
		struct slice front = {(const char *)der, len};

		if (anchor_names(front, &issuer, &subject) &&
			(issuer.ptr < front.ptr || subject.ptr + subject.len > front.ptr + len))
			abort();
		if (block.whole.len > 0 && !slice_starts(block.whole, SLICE("-----BEGIN ")))
			abort();
	}
	(void)!anchor_names(input, &issuer, &subject);
	return 0;
}
