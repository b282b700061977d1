#include "mail/transform_plan.h"

#include <stdlib.h>

#include "base/mem.h"
#include "mail/header_fix.h"

/* What a body may not hold. */
struct faults {
	bool is_8bit;
	bool is_long;
	bool is_nul;
};

struct planner {
	const struct mime_tree *tree;
	const struct transform_wants *wants;
	struct plan *plan;
	struct faults *remains; /* for each part: what it holds when all is done */
};

void plan_done(struct plan *plan)
{
	free(plan->edits);
	free(plan->headers);
	*plan = (struct plan){0};
}

static bool is_any(struct faults faults)
{
	return faults.is_8bit || faults.is_long || faults.is_nul;
}

static struct faults facts_of(const struct mime_facts *facts)
{
	return (struct faults){
		facts->has_8bit, facts->longest_line > HEADER_LINE_MAX, facts->has_nul};
}

/* What of a body the server does not take. */
static struct faults faults_of(const struct transform_wants *wants, const struct mime_facts *facts)
{
	struct faults faults = facts_of(facts);

	if (wants->has_binarymime)
		return (struct faults){0};
	if (wants->has_8bitmime)
		faults.is_8bit = false;
	if (wants->long_lines == TRANSFORM_PASS)
		faults.is_long = false;
	return faults;
}

static void add_edit(struct planner *p, struct edit edit)
{
	p->plan->edits[p->plan->count++] = edit;
	/* A changed body could be taken for fields where no empty line is. */
	if (edit.kind != EDIT_HEADER && !p->tree->parts[edit.part].has_blank)
		p->plan->headers[edit.part].adds_blank = true;
}

static const char *words_for(struct faults faults)
{
	return faults.is_nul    ? "NUL octets"
	       : faults.is_8bit ? "8-bit octets, which the server does not take"
				: "lines over 998 octets";
}

static bool refuse(enum mime_bar bar, struct faults faults, struct error *err)
{
	static const char *const parts[] = {
		[MIME_FREE] = "a part with an unknown encoding",
		[MIME_PROTECTED] = "a signed or encrypted part",
		[MIME_FIXED] = "a part whose type allows no encoding",
		[MIME_BROKEN] = "a multipart that cannot be taken apart",
	};

	error_set(err, EX_DATAERR, "%s holds %s, and must not be changed", parts[bar],
		words_for(faults));
	if (faults.is_nul)
		return false;
	return error_hint(err, "long_lines = pass in section [mail] sends it as it is");
}

static bool refuse_long(size_t longest, struct error *err)
{
	error_set(err, EX_DATAERR, "the message has a line of %zu octets; mail allows %d", longest,
		HEADER_LINE_MAX);
	return error_hint(err, "long_lines = encode in section [mail] makes it fit");
}

/* The encoding for a leaf; false where none can be used. */
static bool choose_encoding(const struct mime_part *part, enum encoding *out)
{
	/* An octet costs 2 more in quoted-printable, a third more in base64. */
	bool is_mostly_ascii = part->body.coded * 6 <= part->body.octets;

	if (part->bar != MIME_FREE || part->transfer == MIME_OTHER)
		return false;
	if (part->transfer == MIME_QP)
		*out = ENCODE_REWRAP_QP;
	else if (part->transfer == MIME_BASE64)
		*out = ENCODE_REWRAP_BASE64;
	else
		*out = part->is_text && is_mostly_ascii ? ENCODE_QP : ENCODE_BASE64;
	return true;
}

/* A part that may not be changed: sent as it is or refused. */
static bool leave(struct planner *p, size_t i, struct faults faults, struct error *err)
{
	const struct mime_part *part = &p->tree->parts[i];

	if (p->wants->long_lines != TRANSFORM_PASS || faults.is_nul)
		return refuse(part->bar, faults, err);
	p->remains[i] = facts_of(&part->body);
	return true;
}

static bool plan_leaf(struct planner *p, size_t i, struct error *err)
{
	const struct mime_part *part = &p->tree->parts[i];
	struct header_plan *header = &p->plan->headers[i];
	struct faults faults = faults_of(p->wants, &part->body);
	struct edit edit = {
		.kind = EDIT_BODY, .start = part->body_start, .end = part->body_end, .part = i};

	if (!is_any(faults)) {
		p->remains[i] = facts_of(&part->body);
		return true;
	}
	if (!choose_encoding(part, &edit.encoding))
		return leave(p, i, faults, err);
	if (edit.encoding == ENCODE_QP || edit.encoding == ENCODE_BASE64) {
		header->transfer = edit.encoding == ENCODE_QP ? "quoted-printable" : "base64";
		header->sets_type = true;
	}
	add_edit(p, edit);
	return true;
}

/* Preamble and epilogue, which are no part and have no encoding. */
static bool plan_between(struct planner *p, size_t i, struct error *err)
{
	const struct mime_part *part = &p->tree->parts[i];
	struct faults faults = faults_of(p->wants, &part->body);

	if (!is_any(faults)) {
		p->remains[i] = facts_of(&part->body);
		return true;
	}
	if (!part->has_parts) {
		/* All of it would go. */
		if (p->wants->long_lines != TRANSFORM_PASS || faults.is_nul)
			return refuse(MIME_BROKEN, faults, err);
		p->remains[i] = facts_of(&part->body);
		return true;
	}
	add_edit(p, (struct edit){EDIT_DROP, part->body_start, part->preamble_end, i, ENCODE_QP});
	if (part->epilogue_start > 0 && part->epilogue_start < part->body_end)
		add_edit(p, (struct edit){
				    EDIT_DROP, part->epilogue_start, part->body_end, i, ENCODE_QP});
	return true;
}

static bool plan_fields(struct planner *p, size_t i, struct error *err)
{
	const struct mime_part *part = &p->tree->parts[i];
	const struct transform_wants *wants = p->wants;
	struct header_plan *header = &p->plan->headers[i];
	bool is_top = i == 0;

	if (part->header.has_nul)
		return error_set(err, EX_DATAERR, "the header of a MIME part holds a NUL octet");
	header->encodes_8bit =
		part->header.has_8bit &&
		(is_top ? !wants->has_smtputf8 : !wants->has_8bitmime && !wants->has_binarymime);
	/* Encoded words are longer than what they stand for. */
	header->refolds =
		wants->long_lines != TRANSFORM_PASS &&
		(header->encodes_8bit || (wants->long_lines == TRANSFORM_ENCODE &&
						 part->header.longest_line > HEADER_LINE_MAX));
	p->remains[i].is_8bit = p->remains[i].is_8bit ||
				(part->header.has_8bit && !header->encodes_8bit && !is_top);
	return true;
}

/* Labels of what is there no more: "binary" and "8bit" in front of text that
 * need neither now. Inner parts come behind outer ones, so that one pass from
 * the end knows of each all that is in it. */
static void relabel(struct planner *p)
{
	for (size_t i = p->tree->count; i-- > 0;) {
		const struct mime_part *part = &p->tree->parts[i];
		struct header_plan *header = &p->plan->headers[i];
		struct faults *remains = &p->remains[i];
		struct faults *outer = &p->remains[part->parent];
		bool is_binary = remains->is_nul || remains->is_long;
		bool is_wrong =
			(part->transfer == MIME_8BIT && !remains->is_8bit &&
				!p->wants->has_8bitmime) ||
			(part->transfer == MIME_BINARY && !is_binary && !p->wants->has_binarymime);

		if (is_wrong && !header->transfer && part->bar == MIME_FREE)
			header->transfer = remains->is_8bit ? "8bit" : "7bit";
		if (i == 0)
			return;
		outer->is_8bit = outer->is_8bit || remains->is_8bit;
		outer->is_long = outer->is_long || remains->is_long;
		outer->is_nul = outer->is_nul || remains->is_nul;
	}
}

static int by_place(const void *a, const void *b)
{
	const struct edit *x = a, *y = b;

	/* An empty header stands where its body starts, and comes first. */
	if (x->start == y->start)
		return (x->kind > y->kind) - (x->kind < y->kind);
	return x->start > y->start ? 1 : -1;
}

static bool check_lines(const struct planner *p, struct error *err)
{
	if (p->wants->long_lines != TRANSFORM_REFUSE)
		return true;
	for (size_t i = 0; i < p->tree->count; i++) {
		const struct mime_part *part = &p->tree->parts[i];

		if (part->header.longest_line > HEADER_LINE_MAX)
			return refuse_long(part->header.longest_line, err);
		if (part->body.longest_line > HEADER_LINE_MAX && !p->wants->has_binarymime)
			return refuse_long(part->body.longest_line, err);
	}
	return true;
}

static bool plan_parts(struct planner *p, struct error *err)
{
	if (!check_lines(p, err))
		return false;
	for (size_t i = 0; i < p->tree->count; i++) {
		bool is_leaf = p->tree->parts[i].kind == MIME_LEAF;

		if (!(is_leaf ? plan_leaf(p, i, err) : plan_between(p, i, err)) ||
			!plan_fields(p, i, err))
			return false;
	}
	return true;
}

static void plan_headers(struct planner *p)
{
	for (size_t i = 0; i < p->tree->count; i++) {
		const struct header_plan *header = &p->plan->headers[i];
		const struct mime_part *part = &p->tree->parts[i];

		if (header->transfer || header->encodes_8bit || header->refolds ||
			header->adds_blank)
			add_edit(p, (struct edit){EDIT_HEADER, part->header_start, part->header_end,
					    i, ENCODE_QP});
	}
}

bool plan_make(const struct mime_tree *tree, const struct transform_wants *wants, struct plan *out,
	struct error *err)
{
	CLEANUP(plan_done)
	struct plan plan = {
		/* A header, and a body or a preamble and an epilogue, for each part. */
		.edits = mem_alloc(3 * tree->count * sizeof(*plan.edits)),
		.headers = mem_alloc(tree->count * sizeof(*plan.headers)),
	};
	CLEANUP(mem_free) struct faults *remains = mem_alloc(tree->count * sizeof(*remains));
	struct planner p = {tree, wants, &plan, remains};

	if (!plan_parts(&p, err))
		return false;
	relabel(&p);
	plan_headers(&p);
	qsort(plan.edits, plan.count, sizeof(*plan.edits), by_place);
	*out = plan;
	plan = (struct plan){0};
	return true;
}
