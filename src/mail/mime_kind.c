#include "mail/mime_kind.h"

#include "mail/header.h"
#include "mail/mime_field.h"

static enum mime_transfer read_transfer(const struct header *h)
{
	static const struct {
		const char *name;
		enum mime_transfer transfer;
	} names[] = {
		{"7bit", MIME_7BIT},
		{"8bit", MIME_8BIT},
		{"binary", MIME_BINARY},
		{"quoted-printable", MIME_QP},
		{"base64", MIME_BASE64},
	};
	const struct header_field *field = header_find(h, "Content-Transfer-Encoding", 0);
	struct slice rest = field ? field->body : (struct slice){0};
	struct slice token;

	mime_skip_blanks(&rest);
	token = mime_token(&rest);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (slice_ieq(token, slice_of(names[i].name)))
			return names[i].transfer;
	return token.len == 0 ? MIME_7BIT : MIME_OTHER;
}

/* Media types that are more than data with a name; the first row that fits
 * counts, "*" fits every subtype. */
static const struct media {
	const char *type, *subtype;
	enum mime_kind kind;
	enum mime_bar bar;
} medias[] = {
	{"multipart", "signed", MIME_LEAF, MIME_PROTECTED},
	{"multipart", "encrypted", MIME_LEAF, MIME_PROTECTED},
	{"multipart", "*", MIME_MULTIPART, MIME_FREE},
	{"application", "pkcs7-mime", MIME_LEAF, MIME_PROTECTED},
	{"application", "x-pkcs7-mime", MIME_LEAF, MIME_PROTECTED},
	{"message", "rfc822", MIME_MESSAGE, MIME_FREE},
	{"message", "global", MIME_LEAF, MIME_FREE},
	{"message", "global-headers", MIME_LEAF, MIME_FREE},
	{"message", "global-delivery-status", MIME_LEAF, MIME_FREE},
	{"message", "global-disposition-notification", MIME_LEAF, MIME_FREE},
	{"message", "*", MIME_LEAF, MIME_FIXED},
};

static const struct media *find_media(struct slice type, struct slice subtype)
{
	for (size_t i = 0; i < ARRAY_LEN(medias); i++)
		if (slice_ieq(type, slice_of(medias[i].type)) &&
			(medias[i].subtype[0] == '*' ||
				slice_ieq(subtype, slice_of(medias[i].subtype))))
			return &medias[i];
	return NULL;
}

/* The boundary of a multipart; false where there is none that could be met. */
static bool find_boundary(struct slice type_body, struct buf *out)
{
	if (!mime_find_param(type_body, "boundary", out) || out->is_full)
		return false;
	/* Blanks at its end could not be told from those behind it. */
	while (out->len > 0 && ascii_is_blank(out->data[out->len - 1]))
		out->len--;
	return out->len > 0;
}

/* Whether the part is taken apart further; sets kind and bar. */
static void set_kind(struct mime_part *part, const struct media *media, struct slice type_body,
	bool may_nest, struct buf *boundary)
{
	part->kind = MIME_LEAF;
	part->bar = media ? media->bar : MIME_FREE;
	/* With an encoding that its type forbids a part is data in that encoding. */
	if (!media || media->kind == MIME_LEAF || part->transfer > MIME_BINARY)
		return;
	/* Without its empty line the header of a part and that of the message in
	 * it cannot be told apart. */
	if (!may_nest || (media->kind == MIME_MESSAGE && !part->has_blank) ||
		(media->kind == MIME_MULTIPART && !find_boundary(type_body, boundary)))
		part->bar = MIME_BROKEN;
	else
		part->kind = media->kind;
}

void mime_classify(struct mime_part *part, struct slice block, bool default_message, bool may_nest,
	struct buf *boundary)
{
	CLEANUP(header_done) struct header h = {0};
	CLEANUP(buf_done) struct buf charset = BUF(256);
	const struct header_field *field;
	struct slice body = {0}, type, subtype;

	header_parse(&h, block);
	field = header_find(&h, "Content-Type", 0);
	if (field)
		body = field->body;
	part->has_type = mime_type(body, &type, &subtype);
	if (!part->has_type) {
		type = default_message ? SLICE("message") : SLICE("text");
		subtype = default_message ? SLICE("rfc822") : SLICE("plain");
	}
	part->transfer = read_transfer(&h);
	part->is_text = slice_ieq(type, SLICE("text"));
	part->is_plain = part->is_text && slice_ieq(subtype, SLICE("plain"));
	part->is_digest =
		slice_ieq(type, SLICE("multipart")) && slice_ieq(subtype, SLICE("digest"));
	part->has_charset = mime_find_param(body, "charset", &charset);
	set_kind(part, find_media(type, subtype), body, may_nest, boundary);
}
