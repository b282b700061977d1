#include "net/anchor.h"

#include <arpa/inet.h>
#include <string.h>

/* ---- DER ---- */

/*
 * Takes one element of DER off *rest: its tag, its contents, and the whole of
 * it. False where it is cut off or longer than its surroundings.
 */
static bool take_element(
	struct slice *rest, unsigned char *tag, struct slice *contents, struct slice *whole)
{
	const unsigned char *at = (const unsigned char *)rest->ptr;
	size_t header = 2;

	if (rest->len < header)
		return false;

	size_t len = at[1];

	if (len >= 0x80) {
		size_t digits = len - 0x80;

		if (digits < 1 || digits > 3 || rest->len < header + digits)
			return false;
		len = 0;
		for (size_t i = 0; i < digits; i++)
			len = len << 8 | at[2 + i];
		header += digits;
	}
	*tag = at[0];
	*contents = slice_from(*rest, header);
	if (contents->len < len) {
		*whole = (struct slice){0};
		return false;
	}
	*contents = slice_upto(*contents, len);
	*whole = slice_upto(*rest, header + len);
	*rest = slice_from(*rest, header + len);
	return true;
}

/* Enters an element whose end may lie behind what was decoded. */
static bool enter_sequence(struct slice *rest)
{
	struct slice outer = *rest, contents = {0}, whole;
	unsigned char tag = 0;

	(void)!take_element(&outer, &tag, &contents, &whole);
	*rest = contents;
	return tag == 0x30 && contents.len > 0;
}

bool anchor_names(struct slice der, struct slice *issuer, struct slice *subject)
{
	struct slice rest = der, contents, whole;
	unsigned char tag;

	if (!enter_sequence(&rest) || !enter_sequence(&rest))
		return false;
	if (!take_element(&rest, &tag, &contents, &whole))
		return false;
	/* The version stands in front of the serial number where it is not 1. */
	if (tag == 0xa0 && !take_element(&rest, &tag, &contents, &whole))
		return false;
	return take_element(&rest, &tag, &contents, &whole) && /* signature */
	       take_element(&rest, &tag, &contents, issuer) &&
	       take_element(&rest, &tag, &contents, &whole) && /* validity */
	       take_element(&rest, &tag, &contents, subject);
}

/* ---- PEM ---- */

/* What is no digit of base64, in the low octet of the table below. */
enum { DIGIT_BLANK = 1, DIGIT_NONE = 2, DIGIT_FLAGS = 255 };

/* The value of each digit at each of the four places of a group, which stands
 * in the upper three octets. */
struct digit_table {
	uint32_t at[4][256];
};

static const struct digit_table *digit_table(void)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	static const char blanks[] = " \t\r\n";
	static struct digit_table table;

	if (table.at[3]['B'] != 0)
		return &table;
	for (size_t place = 0; place < 4; place++) {
		for (size_t i = 0; i < 256; i++)
			table.at[place][i] = DIGIT_NONE;
		for (size_t i = 0; i < sizeof(blanks) - 1; i++)
			table.at[place][(unsigned char)blanks[i]] = DIGIT_BLANK;
		for (uint32_t i = 0; i < sizeof(digits) - 1; i++)
			table.at[place][(unsigned char)digits[i]] = i << (6 * (3 - place) + 8);
	}
	return &table;
}

/* Four digits in a row, or a value with the bits of DIGIT_BLANK or DIGIT_NONE. */
static uint32_t read_group(const struct digit_table *table, const unsigned char *at)
{
	return table->at[0][at[0]] | table->at[1][at[1]] | table->at[2][at[2]] |
	       table->at[3][at[3]];
}

/* Puts the three octets of a group and one more that does not count. */
static void put_group(unsigned char *out, uint32_t group)
{
	uint32_t octets = htonl(group);

	memcpy(out, &octets, sizeof(octets));
}

/* This is the hot loop of every connection, which looks at a hundred
 * certificates and more. */
size_t anchor_decode(struct slice text, unsigned char *out, size_t space)
{
	const struct digit_table *table = digit_table();
	const unsigned char *at = (const unsigned char *)text.ptr;
	const unsigned char *end = at + text.len;
	size_t len = 0;

	while (end - at >= 4 && len < space) {
		uint32_t group = read_group(table, at);
		size_t held = 0;

		if ((group & DIGIT_FLAGS) == 0) {
			put_group(out + len, group);
			len += 3;
			at += 4;
			continue;
		}
		/* A line end is in it, mostly in front. */
		for (group = 0; held < 4 && at < end; at++) {
			uint32_t digit = table->at[3][*at];

			if (digit == DIGIT_NONE)
				return len;
			if (digit == DIGIT_BLANK)
				continue;
			group |= digit << (6 * (3 - held));
			held++;
		}
		if (held < 4)
			break;
		put_group(out + len, group);
		len += 3;
	}
	return len;
}

bool anchor_take_block(struct slice *rest, struct anchor_block *block)
{
	static const struct slice begin = {"-----BEGIN ", 11}, dashes = {"-----", 5},
				  end = {"-----END ", 9};
	struct slice whole = slice_from(*rest, slice_search(*rest, begin));
	struct slice after = slice_from(whole, begin.len);
	size_t label_octets = slice_search(slice_upto(after, 64), dashes);

	*block = (struct anchor_block){0};
	if (whole.len == 0)
		return false;

	/* No dash is a digit of base64. */
	struct slice text = slice_from(after, label_octets + dashes.len);
	struct slice tail = slice_from(text, slice_find(text, '-'));

	*rest = tail;
	if (!slice_starts(tail, end))
		return true;
	tail = slice_from(tail, end.len);
	*rest = slice_from(tail, slice_search(slice_upto(tail, 64), dashes) + dashes.len);
	block->label = slice_upto(after, label_octets);
	block->body = slice_upto(text, slice_find(text, '-'));
	block->whole = slice_upto(whole, whole.len - rest->len);
	return true;
}
