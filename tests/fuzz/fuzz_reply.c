/* Replies from arbitrary lines, and the keywords of an EHLO. */
#include <stdlib.h>

#include "smtp/caps.h"
#include "smtp/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct reply *r)
{
	CLEANUP(buf_done) struct buf words = BUF(REPLY_OCTETS_MAX);
	struct smtp_caps caps;

	reply_words(r, &words);
	if (r->code < 200 || r->code > 599 || words.len < 3)
		abort();
	for (size_t i = 0; i < words.len; i++)
		if (ascii_is_control(words.data[i]))
			abort();
	caps_parse(&caps, buf_slice(&r->text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice rest = {(const char *)data, size};
	struct reply r;

	reply_init(&r);
	while (rest.len > 0) {
		size_t end = slice_find(rest, '\n');
		struct error err = {0};
		bool is_last = false;

		if (!reply_take(&r, slice_upto(rest, end), &is_last, &err)) {
			if (err.exit_code != EX_PROTOCOL || err.fate != FATE_LATER)
				abort();
			reply_clear(&r);
		} else if (is_last) {
			check(&r);
			reply_clear(&r);
		}
		rest = slice_from(rest, end + 1);
	}
	reply_done(&r);
	return 0;
}
