#include "mail/envelope.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "mail/address.h"

enum {
	FIRST_SPACE = 8,     /* recipients there is room for at first */
	UNINDEXED = 16,      /* so many are compared one by one, without an index */
	LEAST_PLACES = 8,    /* of the index, for each recipient when it is built */
	INDEX_KEY_WORDS = 4, /* words at the start of the index that hold its key */
};

void envelope_done(struct envelope *e)
{
	free(e->recipients);
	free(e->index);
	arena_done(&e->arena);
	*e = (struct envelope){0};
}

/* Hash of an address that address_same agrees with. The multiplier is random,
 * so that nobody can write a list of addresses that all meet in one place. */
static uint32_t hash_of(const struct envelope *e, const char *wire)
{
	struct slice domain = address_domain(wire);
	size_t local_len = strlen(wire) - domain.len;
	uint64_t key[2];
	uint64_t h;

	memcpy(key, e->index, sizeof(key));
	h = key[0];
	for (size_t i = 0; i < local_len; i++)
		h = (h ^ (unsigned char)wire[i]) * key[1];
	for (size_t i = 0; i < domain.len; i++)
		h = (h ^ (unsigned char)ascii_lower(domain.ptr[i])) * key[1];
	return (uint32_t)(h >> 32);
}

/* The place of an address in the index, or the free one where it belongs. An
 * entry is the recipient's number plus one. index_space is a power of two. */
static uint32_t *find_place(const struct envelope *e, const char *wire)
{
	uint32_t *places = e->index + INDEX_KEY_WORDS;
	size_t at = hash_of(e, wire) & (e->index_space - 1);

	while (places[at] != 0 && !address_same(e->recipients[places[at] - 1].address, wire))
		at = (at + 1) & (e->index_space - 1);
	return &places[at];
}

/* Makes the random key: where the system has none to give, a fixed one works
 * as well for addresses that nobody chose to harm us. The multiplier is odd. */
static void make_key(uint32_t *words)
{
	uint64_t key[2] = {0};

	if (getentropy(key, sizeof(key)) != 0)
		key[0] = key[1] = 0;
	key[1] = (key[1] ^ UINT64_C(0x9e3779b97f4a7c15)) | 1;
	memcpy(words, key, sizeof(key));
}

/* Makes an index of a new size; the key is made with the first one. */
static void build_index(struct envelope *e, size_t space)
{
	uint32_t *old = e->index;

	e->index = mem_alloc((INDEX_KEY_WORDS + space) * sizeof(*e->index));
	e->index_space = space;
	if (old)
		memcpy(e->index, old, INDEX_KEY_WORDS * sizeof(*old));
	else
		make_key(e->index);
	free(old);
	for (size_t i = 0; i < e->count; i++)
		*find_place(e, e->recipients[i].address) = (uint32_t)i + 1;
}

static struct recipient *find_one_by_one(struct envelope *e, const char *wire)
{
	for (size_t i = 0; i < e->count; i++)
		if (address_same(e->recipients[i].address, wire))
			return &e->recipients[i];
	return NULL;
}

static struct recipient *append(struct envelope *e, const char *wire)
{
	if (e->count == e->space) {
		e->space = e->space > 0 ? e->space * 2 : FIRST_SPACE;
		e->recipients = mem_grow(e->recipients, e->space * sizeof(*e->recipients));
	}

	struct recipient *r = &e->recipients[e->count++];

	*r = (struct recipient){
		.address = arena_strdup(&e->arena, wire),
		.state = RECIPIENT_PENDING,
		.last = {.enhanced = "", .text = ""},
	};
	return r;
}

struct recipient *envelope_add(struct envelope *e, const char *wire)
{
	if (e->count < UNINDEXED) {
		struct recipient *known = find_one_by_one(e, wire);

		return known ? known : append(e, wire);
	}
	if (e->index_space < 2 * e->count + 2)
		build_index(e, e->index_space > 0 ? e->index_space * 4 : LEAST_PLACES * UNINDEXED);

	uint32_t *place = find_place(e, wire);

	if (*place != 0)
		return &e->recipients[*place - 1];
	*place = (uint32_t)e->count + 1;
	return append(e, wire);
}

size_t envelope_count(const struct envelope *e, enum recipient_state state)
{
	size_t count = 0;

	for (size_t i = 0; i < e->count; i++)
		count += e->recipients[i].state == state;
	return count;
}

void envelope_note(
	struct envelope *e, struct recipient *r, int code, const char *enhanced, const char *text)
{
	struct outcome next = {.code = code, .enhanced = "", .text = ""};

	if (enhanced && enhanced[0] != '\0')
		next.enhanced = arena_strdup(&e->arena, enhanced);
	if (text && text[0] != '\0')
		next.text = arena_strdup(&e->arena, text);
	r->last = next;
}
