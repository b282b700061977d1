#include "mail/body.h"

#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Input is worked on in runs of this size, so that the room they can need in
 * canonical form, twice as much, is there before. */
enum { RUN_OCTETS = 65536 };

void body_init(struct body *b, const char *const *spill_dirs)
{
	*b = (struct body){.text = BUF(BODY_IN_MEMORY + 2 * RUN_OCTETS + 64)};
	spill_init(&b->spill, spill_dirs);
}

void body_done(struct body *b)
{
	buf_done(&b->text);
	spill_done(&b->spill);
}

static void end_line(struct body *b, size_t octets)
{
	b->line += octets;
	if (b->line > b->longest_line)
		b->longest_line = b->line;
	b->line = 0;
}

/* What one step of the copying loop works on, and what all steps have met. */
enum { STEP = 16 };

#ifdef __SSE2__

struct met {
	__m128i bits; /* all octets together by OR */
	__m128i nul;  /* not zero where an octet was */
};

/* Copies one step. Bit i of the result is set where octet i is CR or LF. */
static inline unsigned copy_step(char *out, const char *at, struct met *met)
{
	__m128i v = _mm_loadu_si128((const __m128i_u *)(const void *)at);
	__m128i lf = _mm_cmpeq_epi8(v, _mm_set1_epi8('\n'));
	__m128i cr = _mm_cmpeq_epi8(v, _mm_set1_epi8('\r'));

	_mm_storeu_si128((__m128i_u *)(void *)out, v);
	met->bits = _mm_or_si128(met->bits, v);
	met->nul = _mm_or_si128(met->nul, _mm_cmpeq_epi8(v, _mm_setzero_si128()));
	return (unsigned)_mm_movemask_epi8(_mm_or_si128(lf, cr));
}

static void note_met(struct body *b, const struct met *met)
{
	b->has_8bit = b->has_8bit || _mm_movemask_epi8(met->bits) != 0;
	b->has_nul = b->has_nul || _mm_movemask_epi8(met->nul) != 0;
}

#else

struct met {
	unsigned char bits;
	bool nul;
};

static inline unsigned copy_step(char *out, const char *at, struct met *met)
{
	unsigned ends = 0;

	memcpy(out, at, STEP);
	for (unsigned i = 0; i < STEP; i++) {
		met->bits |= (unsigned char)at[i];
		met->nul |= at[i] == '\0';
		ends |= (unsigned)(at[i] == '\n' || at[i] == '\r') << i;
	}
	return ends;
}

static void note_met(struct body *b, const struct met *met)
{
	b->has_8bit = b->has_8bit || met->bits >= 0x80;
	b->has_nul = b->has_nul || met->nul;
}

#endif

/*
 * Copies up to the next CR or LF, and that as CRLF; gives the place behind it
 * in the input, and moves *out. Whole steps are written, so that `out` needs
 * room for one more than the text.
 */
static inline const char *copy_line(
	struct body *b, char **out, const char *at, const char *end, struct met *met)
{
	const char *start = at;
	char *to = *out;
	unsigned ends = 0;

	while (end - at >= STEP && (ends = copy_step(to, at, met)) == 0) {
		at += STEP;
		to += STEP;
	}
	if (ends != 0) {
		unsigned octets = (unsigned)__builtin_ctz(ends);

		at += octets;
		to += octets;
	} else {
		while (at < end && *at != '\n' && *at != '\r') {
			b->has_8bit = b->has_8bit || (unsigned char)*at >= 0x80;
			b->has_nul = b->has_nul || *at == '\0';
			*to++ = *at++;
		}
	}
	if (at == end) {
		b->line += (size_t)(at - start);
		*out = to;
		return end;
	}
	end_line(b, (size_t)(at - start));
	to[0] = '\r';
	to[1] = '\n';
	*out = to + 2;
	return at;
}

/*
 * Canonical text of one run at `out`; returns its end. Everything that is to
 * be known of the text is gathered in this one pass: it is half of what the
 * program itself does with a large message.
 */
static char *add_run(struct body *b, char *out, struct slice run)
{
	const char *at = run.ptr, *end = run.ptr + run.len;
	struct met met;

	memset(&met, 0, sizeof(met));
	if (b->after_cr && *at == '\n')
		at++;
	b->after_cr = false;
	while (at < end) {
		at = copy_line(b, &out, at, end, &met);
		if (at == end)
			break;
		if (*at == '\r')
			b->after_cr = ++at == end;
		if (at < end && *at == '\n')
			at++;
	}
	note_met(b, &met);
	return out;
}

static bool move_to_file(struct body *b, struct error *err)
{
	if (!spill_write(&b->spill, buf_slice(&b->text), err))
		return false;
	buf_clear(&b->text);
	return true;
}

/* The counterpart of buf_room: takes over what was written up to `end`. */
static void note_written(struct body *b, const char *end)
{
	size_t octets = (size_t)(end - (b->text.data + b->text.len));

	b->text.len += octets;
	b->octets += octets;
}

bool body_add(struct body *b, struct slice raw, struct error *err)
{
	while (raw.len > 0) {
		struct slice run = slice_upto(raw, RUN_OCTETS);
		char *room;

		if (b->text.len > BODY_IN_MEMORY && !move_to_file(b, err))
			return false;
		room = buf_room(&b->text, 2 * run.len + STEP);
		if (!room)
			return error_set(err, EX_SOFTWARE, "no room for a run of the body");
		note_written(b, add_run(b, room, run));
		raw = slice_from(raw, run.len);
	}
	return true;
}

bool body_end(struct body *b, struct error *err)
{
	if (b->line > 0) {
		char *room = buf_room(&b->text, 2);

		if (!room)
			return error_set(err, EX_SOFTWARE, "no room for the end of the body");
		end_line(b, 0);
		memcpy(room, "\r\n", 2);
		note_written(b, room + 2);
	}
	if (b->spill.fd < 0 && b->text.len <= BODY_IN_MEMORY)
		return true;
	if (!move_to_file(b, err))
		return false;
	buf_done(&b->text);
	return true;
}

void body_content(const struct body *b, struct content *c)
{
	c->body = b->spill.fd < 0 ? buf_slice(&b->text) : (struct slice){0};
	c->fd = b->spill.fd;
	c->fd_offset = 0;
	c->fd_octets = b->spill.octets;
	c->has_8bit = b->has_8bit;
	c->has_nul = b->has_nul;
	c->longest_line = b->longest_line;
}
