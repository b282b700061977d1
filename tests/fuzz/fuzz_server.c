/* Lets octets talk to the server of `sendmail -bs`. The handler is told at the
 * first octet how to treat messages; every message it gets has to have an end
 * that a client could have meant. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "smtp/server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { REFUSES = 1, STOPS_EARLY = 2, SMALL_PIECES = 4, HAS_LIMIT = 8 };

static bool take_recipient(UNUSED void *context, const char *address, struct error *err)
{
	if (address[0] == '\0')
		abort();
	return address[0] != 'x' || error_set(err, EX_DATAERR, "%s leads nowhere", address);
}

static bool take_message(void *context, const struct server_mail *mail, intake_read_fn *read,
	void *read_context, struct error *err)
{
	const unsigned *ways = context;
	char piece[512];
	size_t space = (*ways & SMALL_PIECES) != 0 ? 3 : sizeof(piece);
	size_t got = 0;

	if (!mail->is_open || !mail->sender || mail->count == 0)
		abort();
	do {
		if (!read(read_context, piece, space, &got, err))
			return false;
		if (got > space)
			abort();
	} while (got > 0 && (*ways & STOPS_EARLY) == 0);
	/* The end stays the end. */
	if (got == 0 && (!read(read_context, piece, space, &got, err) || got != 0))
		abort();
	return (*ways & REFUSES) == 0 || error_set(err, EX_TEMPFAIL, "not now");
}

static int input_of(struct slice octets)
{
	static int fd = -1;
	struct error err = {0};

	if (fd < 0)
		fd = memfd_create("client", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, 0) < 0 || !file_write_at(fd, octets, 0, "memory", &err) ||
		lseek(fd, 0, SEEK_SET) != 0)
		abort();
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int out = -1;
	unsigned ways = size > 0 ? data[0] : 0;
	struct server_handler handler = {
		.recipient = take_recipient,
		.message = take_message,
		.context = &ways,
		.name = "box.test",
		.max_octets = (ways & HAS_LIMIT) != 0 ? 1000 : 0,
	};
	struct error err = {0};

	if (out < 0)
		out = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (size > 0 && !server_run(input_of((struct slice){(const char *)data + 1, size - 1}), out,
				&handler, &err))
		abort();
	return 0;
}
