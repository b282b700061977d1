#include "mail/envelope.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "mail/address.h"

enum {
	FIRST_SPACE = 8,  /* recipients there is room for at first */
	UNINDEXED = 16,   /* so many are compared one by one, without an index */
	FIRST_INDEX = 64, /* places of the first index; a power of two */
	KEY_WORDS = 4,    /* words at the start of the index that hold its key */
	PLACE_WORDS = 2,  /* words of a place: the recipient's number plus one, its hash */
};

void envelope_done(struct envelope *e)
{
	free(e->recipients);
	free(e->index);
	arena_done(&e->arena);
	*e = (struct envelope){0};
}

/* Adds octets to a hash, eight at a time; the bits of `ignored` do not count. */
static uint64_t hash_octets(uint64_t h, uint64_t factor, struct slice s, uint64_t ignored)
{
	for (; s.len >= sizeof(h); s = slice_from(s, sizeof(h))) {
		uint64_t word;

		memcpy(&word, s.ptr, sizeof(word));
		h = (h ^ (word | ignored)) * factor;
		h ^= h >> 32;
	}
	for (size_t i = 0; i < s.len; i++)
		h = (h ^ ((unsigned char)s.ptr[i] | (ignored & 0xff))) * factor;
	return h ^ h >> 32;
}

/* Hash of an address that address_same agrees with: upper and lower case of the
 * domain differ by one bit. The factor is random, so that nobody can write a
 * list of addresses that all meet in one place. */
static uint32_t hash_of(const struct envelope *e, const char *wire)
{
	struct slice domain = address_domain(wire);
	uint64_t key[2];
	uint64_t h;

	memcpy(key, e->index, sizeof(key));
	h = hash_octets(key[0], key[1], (struct slice){wire, (size_t)(domain.ptr - wire)}, 0);
	return (uint32_t)hash_octets(h, key[1], domain, UINT64_C(0x2020202020202020));
}

/* The place of an address in the index, or the free one where it belongs. */
static uint32_t *find_place(const struct envelope *e, const char *wire, uint32_t hash)
{
	size_t mask = e->index_space - 1;

	for (size_t at = hash & mask;; at = (at + 1) & mask) {
		uint32_t *place = e->index + KEY_WORDS + PLACE_WORDS * at;

		if (place[0] == 0 ||
			(place[1] == hash &&
				address_same(e->recipients[place[0] - 1].address, wire)))
			return place;
	}
}

static void fill_place(uint32_t *place, size_t number, uint32_t hash)
{
	place[0] = (uint32_t)number + 1;
	place[1] = hash;
}

static uint32_t *new_index(size_t places)
{
	return mem_alloc((KEY_WORDS + PLACE_WORDS * places) * sizeof(uint32_t));
}

/* Makes the first index with a random key. Where the system has none to give, a
 * fixed one serves all addresses that nobody chose to harm us. */
static void build_index(struct envelope *e)
{
	uint64_t key[2] = {0};

	if (getentropy(key, sizeof(key)) != 0)
		key[0] = key[1] = 0;
	key[1] = (key[1] ^ UINT64_C(0x9e3779b97f4a7c15)) | 1;
	e->index = new_index(FIRST_INDEX);
	e->index_space = FIRST_INDEX;
	memcpy(e->index, key, sizeof(key));
	for (size_t i = 0; i < e->count; i++) {
		const char *wire = e->recipients[i].address;
		uint32_t hash = hash_of(e, wire);

		fill_place(find_place(e, wire, hash), i, hash);
	}
}

/* Doubles the index. All in it are different, so their hashes are enough. */
static void grow_index(struct envelope *e)
{
	CLEANUP(mem_free) uint32_t *old = e->index;
	size_t old_space = e->index_space;

	e->index_space = 2 * old_space;
	e->index = new_index(e->index_space);
	memcpy(e->index, old, KEY_WORDS * sizeof(*old));
	for (size_t i = 0; i < old_space; i++) {
		const uint32_t *from = old + KEY_WORDS + PLACE_WORDS * i;
		size_t at = from[1] & (e->index_space - 1);

		if (from[0] == 0)
			continue;
		while (e->index[KEY_WORDS + PLACE_WORDS * at] != 0)
			at = (at + 1) & (e->index_space - 1);
		memcpy(e->index + KEY_WORDS + PLACE_WORDS * at, from, PLACE_WORDS * sizeof(*from));
	}
}

static struct recipient *find_one_by_one(struct envelope *e, const char *wire)
{
	for (size_t i = 0; i < e->count; i++)
		if (address_same(e->recipients[i].address, wire))
			return &e->recipients[i];
	return NULL;
}

/* At least doubles the space, so that many small wishes cost no more than a large one. */
void envelope_reserve(struct envelope *e, size_t count)
{
	size_t wanted = e->count + count;
	size_t space = e->space > 0 ? e->space * 2 : FIRST_SPACE;

	if (wanted <= e->space)
		return;
	if (space < wanted)
		space = wanted;
	e->recipients = mem_grow(e->recipients, space * sizeof(*e->recipients));
	e->space = space;
}

struct recipient *envelope_append(struct envelope *e, const char *wire)
{
	if (e->count == e->space)
		envelope_reserve(e, 1);

	struct recipient *r = &e->recipients[e->count++];

	*r = (struct recipient){
		.address = wire,
		.state = RECIPIENT_PENDING,
		.last = {.enhanced = "", .text = ""},
	};
	return r;
}

static struct recipient *append(struct envelope *e, const char *wire)
{
	struct slice text = slice_of(wire);

	e->has_8bit = e->has_8bit || slice_has_8bit(text);
	return envelope_append(e, arena_dup(&e->arena, text));
}

struct recipient *envelope_add(struct envelope *e, const char *wire)
{
	if (e->count < UNINDEXED) {
		struct recipient *known = find_one_by_one(e, wire);

		return known ? known : append(e, wire);
	}
	if (!e->index)
		build_index(e);
	if (e->index_space < 2 * e->count + 2)
		grow_index(e);

	uint32_t hash = hash_of(e, wire);
	uint32_t *place = find_place(e, wire, hash);

	if (place[0] != 0)
		return &e->recipients[place[0] - 1];
	fill_place(place, e->count, hash);
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
