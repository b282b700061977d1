#include "net/fifo.h"

#include <string.h>

#include "base/mem.h"

size_t fifo_len(const struct fifo *f)
{
	return f->octets.len - f->start;
}

struct slice fifo_slice(const struct fifo *f)
{
	return slice_from(buf_slice(&f->octets), f->start);
}

void fifo_take(struct fifo *f, size_t octets)
{
	f->start += octets < fifo_len(f) ? octets : fifo_len(f);
}

void fifo_take_wiped(struct fifo *f, size_t octets)
{
	size_t before = f->start;

	fifo_take(f, octets);
	if (f->start > before)
		mem_wipe(f->octets.data + before, f->start - before);
}

char *fifo_room(struct fifo *f, size_t octets)
{
	/* The front is given back only here, so that slices live until now. */
	if (fifo_len(f) == 0)
		fifo_clear(f);
	if (f->start > 0 && f->octets.len + octets >= f->octets.space) {
		buf_shift(&f->octets, f->start);
		f->start = 0;
	}
	return buf_room(&f->octets, octets);
}

void fifo_added(struct fifo *f, size_t octets)
{
	f->octets.len += octets;
	f->octets.data[f->octets.len] = '\0';
}

bool fifo_add(struct fifo *f, struct slice s)
{
	char *room = fifo_room(f, s.len);

	if (!room)
		return false;
	if (s.len > 0)
		memcpy(room, s.ptr, s.len);
	fifo_added(f, s.len);
	return true;
}

void fifo_clear(struct fifo *f)
{
	buf_clear(&f->octets);
	f->start = 0;
}

void fifo_wipe(struct fifo *f)
{
	buf_wipe(&f->octets);
	f->start = 0;
}
