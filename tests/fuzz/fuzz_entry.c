/* Reads octets as a queue file. What the reader believes is written again and
 * read again, and both writings have to be equal. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "queue/entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads octets through a file in memory that serves every run. */
static bool read_octets(struct slice octets, struct entry *out)
{
	static int fd = -1;
	struct error err = {0};

	if (fd < 0)
		fd = memfd_create("entry", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, 0) < 0 || !file_write_at(fd, octets, 0, "memory", &err))
		abort();
	return entry_read(fd, (int64_t)octets.len, out, &err);
}

static void write_again(const struct entry *e, struct slice message, struct buf *out)
{
	struct error err = {0};

	if (!entry_write_head(e, out, &err))
		abort();
	buf_add(out, message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(entry_done) struct entry first = {0};
	CLEANUP(entry_done) struct entry second = {0};
	CLEANUP(buf_done) struct buf once = BUF(ENTRY_MOST_HEAD);
	CLEANUP(buf_done) struct buf twice = BUF(ENTRY_MOST_HEAD);
	struct slice octets = {(const char *)data, size};

	if (!read_octets(octets, &first))
		return 0;

	struct slice message = slice_from(octets, (size_t)first.message_offset);

	write_again(&first, message, &once);
	if (!read_octets(buf_slice(&once), &second))
		abort();
	write_again(&second, message, &twice);
	if (!slice_eq(buf_slice(&once), buf_slice(&twice)))
		abort();
	for (size_t i = 0; i < second.envelope.count; i++)
		if (once.data[second.recipient_offsets[i]] != second.recorded_states[i])
			abort();
	return 0;
}
