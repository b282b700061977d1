/* The message reader: whatever comes in, what goes out is canonical. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "mail/complete.h"
#include "mail/message.h"
#include "whole.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_canonical(const struct content *c)
{
	CLEANUP(buf_done) struct buf all = BUF(64 << 20);
	size_t line = 0, longest = 0;

	all_of(c, &all);
	require(all.len == content_octets(c));
	require(all.len >= 2 && memcmp(all.data + all.len - 2, "\r\n", 2) == 0);
	for (size_t i = 0; i < all.len; i++) {
		require(all.data[i] != '\n' || (i > 0 && all.data[i - 1] == '\r'));
		require(all.data[i] != '\r' || (i + 1 < all.len && all.data[i + 1] == '\n'));
		line = all.data[i] == '\n' ? 0 : line + (all.data[i] != '\r');
		longest = line > longest ? line : longest;
	}
	require(longest == c->longest_line);
	require(c->head_has_8bit == slice_has_8bit(c->head));
	require(memchr(c->head.ptr, 0, c->head.len) == NULL);
	require(c->has_8bit == slice_has_8bit(slice_from(buf_slice(&all), c->head.len)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct complete_facts facts = {
		.from_name = "N", .from_address = "a@b.example", .id_domain = "c.example"};
	CLEANUP(fd_close) int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct message m;
	struct content c;
	struct error err = {0};

	if (size == 0)
		return 0;
	require(file_write(fd, (struct slice){(const char *)data + 1, size - 1}, "f", &err));
	lseek(fd, 0, SEEK_SET);

	struct message_source source = {.fd = fd,
		.name = "input",
		.dot_ends = (data[0] & 1) != 0,
		.max_octets = (data[0] & 2) != 0 ? 100 : 0,
		.spill_dirs = {"/tmp"}};

	if (!message_read(&source, &m, &err)) {
		require(err.exit_code == EX_DATAERR);
		return 0;
	}
	message_content(&m, &c);
	check_canonical(&c);
	require(source.max_octets == 0 || content_octets(&c) <= source.max_octets);
	complete_message(&m, &facts);
	message_content(&m, &c);
	check_canonical(&c);
	require(!header_find(&m.header, "Bcc", 0));
	message_done(&m);
	return 0;
}
