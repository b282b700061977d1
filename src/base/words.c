#include "base/words.h"

/* The state of a split. */
struct split {
	char **words;
	size_t count;
	char *at;     /* where the next octet goes */
	bool in_word; /* words[count] has begun */
	char quote;   /* the open one, or '\0' */
};

static void begin_word(struct split *s)
{
	if (!s->in_word)
		s->words[s->count] = s->at;
	s->in_word = true;
}

static void end_word(struct split *s)
{
	if (s->in_word) {
		*s->at++ = '\0';
		s->count++;
	}
	s->in_word = false;
}

static bool escapes(const struct split *s, char next)
{
	return s->quote == '\0' || (s->quote == '"' && (next == '"' || next == '\\'));
}

/* Takes the octets at the start of rest; returns how many. */
static size_t step(struct split *s, struct slice rest)
{
	char c = rest.ptr[0];

	if (s->quote == '\0' && ascii_is_blank(c)) {
		end_word(s);
		return 1;
	}
	begin_word(s);
	if (s->quote != '\0' ? c == s->quote : c == '"' || c == '\'') {
		s->quote = s->quote != '\0' ? '\0' : c;
		return 1;
	}
	if (c == '\\' && rest.len > 1 && escapes(s, rest.ptr[1])) {
		*s->at++ = rest.ptr[1];
		return 2;
	}
	if (c == '\\' && rest.len == 1 && s->quote == '\0')
		return 0;
	*s->at++ = c;
	return 1;
}

bool words_split(struct arena *arena, struct slice command, char ***argv, struct error *err)
{
	/* No word needs more than its octets and a NUL, whose room its separator had. */
	struct split s = {.words = arena_alloc(arena, (command.len / 2 + 2) * sizeof(char *)),
		.at = arena_alloc(arena, command.len + 1)};

	for (size_t i = 0; i < command.len;) {
		size_t used = step(&s, slice_from(command, i));

		if (used == 0)
			return error_set(err, EX_CONFIG, "the command ends in a backslash");
		i += used;
	}
	if (s.quote != '\0')
		return error_set(
			err, EX_CONFIG, "the command has a %c that is not closed", s.quote);
	end_word(&s);
	if (s.count == 0 || s.words[0][0] == '\0')
		return error_set(err, EX_CONFIG, "the command names no program");
	s.words[s.count] = NULL;
	*argv = s.words;
	return true;
}
