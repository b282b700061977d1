#include "test.h"

#include "config_files.h"

#include "config/options.h"

/* A file of the source tree; the caller frees nothing, it lives in the arena. */
static char *source_file(struct arena *arena, const char *name)
{
	const char *root = getenv("PILLARBOX_SOURCE_ROOT");
	CLEANUP(buf_done) struct buf text = BUF(1 << 20);
	char path[4096];
	FILE *file;

	assert_non_null(root);
	snprintf(path, sizeof(path), "%s/%s", root, name);
	file = fopen(path, "re");
	assert_non_null(file);
	for (int c; (c = getc(file)) != EOF;)
		buf_add_char(&text, (char)c);
	fclose(file);
	return arena_dup(arena, buf_slice(&text));
}

static bool read_option(
	const struct option *o, struct arena *arena, const char *text, struct error *err)
{
	union {
		struct account account;
		struct config config;
	} base;

	memset(&base, 0, sizeof(base));
	return option_read(o, arena, arena_strdup(arena, text), &base, err);
}

static void the_table_is_sound(void **state)
{
	struct arena *arena = *state;

	for (size_t i = 0; i < option_count; i++) {
		const struct option *o = &options[i];
		CLEANUP(buf_done) struct buf accepted = BUF(1024);
		struct error err = {0};

		if (!o->value == !o->otherwise)
			fail_msg("%s: a default or words in its place", o->key);
		assert_true(strlen(o->help) > 5 && strlen(o->help) < 90);
		assert_true(o->help[strlen(o->help) - 1] != '.');
		assert_ptr_equal(option_find(o->section, slice_of(o->key)), o);
		for (size_t k = i + 1; k < option_count; k++)
			if (strcmp(options[k].section, o->section) == 0)
				assert_string_equal(options[k - 1].section, o->section);
		option_describe(o, &accepted);
		assert_true(accepted.len > 0);
		if (o->value)
			assert_ok(read_option(o, arena, o->value, &err), err);
		assert_false(read_option(o, arena, "", &err));
		assert_non_null(strstr(err.text, o->key));
	}
}

static void a_failed_value_leaves_its_place_alone(void **state)
{
	static const char *const values[] = {"\xff", "-", "a b c", "99999999999999999999x"};
	struct arena *arena = *state;

	for (size_t i = 0; i < option_count; i++)
		for (size_t k = 0; k < ARRAY_LEN(values); k++) {
			unsigned char base[sizeof(struct config) + sizeof(struct account)];
			unsigned char before[sizeof(base)];
			struct error err = {0};

			memset(base, 0, sizeof(base));
			memcpy(before, base, sizeof(base));
			if (!option_read(
				    &options[i], arena, arena_strdup(arena, values[k]), base, &err))
				assert_memory_equal(base, before, sizeof(base));
		}
}

static void every_choice_is_taken_in_any_case(void **state)
{
	struct arena *arena = *state;

	for (size_t i = 0; i < option_count; i++) {
		struct slice rest = slice_of(options[i].choices);

		for (struct slice word; (word = slice_word(&rest, " ")).len > 0;) {
			struct error err = {0};
			char *text = arena_dup(arena, word);

			assert_ok(read_option(&options[i], arena, text, &err), err);
			text[0] = ascii_upper(text[0]);
			assert_ok(read_option(&options[i], arena, text, &err), err);
		}
	}
}

/* --- the example ------------------------------------------------------------ */

/* One line "key = value" of the example, with or without ";" before it. */
struct sample {
	char section[64];
	struct slice key, value;
	bool is_active;
};

static bool next_sample(struct slice *rest, struct sample *s)
{
	while (rest->len > 0) {
		struct slice line = slice_upto(*rest, slice_find(*rest, '\n'));
		size_t equals;

		*rest = slice_from(*rest, line.len + 1);
		s->is_active = !slice_starts(line, SLICE("; "));
		line = slice_trim(slice_from(line, s->is_active ? 0 : 2));
		if (slice_starts(line, SLICE("["))) {
			struct slice name = slice_upto(slice_from(line, 1), line.len - 2);
			struct slice first = slice_word(&name, " ");

			snprintf(s->section, sizeof(s->section), "%.*s", SLICE_ARG(first));
			if (strcmp(s->section, "defaults") == 0)
				snprintf(s->section, sizeof(s->section), "account");
			continue;
		}
		equals = slice_find(line, '=');
		if (line.len == 0 || line.ptr[0] == '#' || equals == line.len)
			continue;
		s->key = slice_trim(slice_upto(line, equals));
		s->value = slice_trim(slice_from(line, equals + 1));
		return true;
	}
	return false;
}

static void the_example_shows_every_key_with_its_default(void **state)
{
	struct arena *arena = *state;
	char *text = source_file(arena, "config.example");

	for (size_t i = 0; i < option_count; i++) {
		const struct option *o = &options[i];
		struct slice rest = slice_of(text);
		struct sample s = {0};
		bool is_there = false;

		while (!is_there && next_sample(&rest, &s))
			is_there = strcmp(s.section, o->section) == 0 &&
				   slice_eq(s.key, slice_of(o->key));
		if (!is_there)
			fail_msg("[%s] %s is not in config.example", o->section, o->key);
		if (o->value && !slice_eq(s.value, slice_of(o->value)))
			fail_msg("[%s] %s: config.example shows %.*s", o->section, o->key,
				SLICE_ARG(s.value));
	}
}

static void the_example_shows_nothing_else(void **state)
{
	struct arena *arena = *state;
	char *text = source_file(arena, "config.example");
	struct slice rest = slice_of(text);
	struct sample s = {0};
	size_t count = 0;

	setenv("HOME", test_dir, 1);
	for (; next_sample(&rest, &s); count++) {
		const struct option *o = option_find(s.section, s.key);
		struct error err = {0};

		if (strcmp(s.section, "aliases") == 0)
			continue;
		if (!o)
			fail_msg("[%s] has no %.*s", s.section, SLICE_ARG(s.key));
		assert_ok(read_option(o, arena, arena_dup(arena, s.value), &err), err);
	}
	assert_true(count >= option_count);
}

static void the_example_is_a_configuration(void **state)
{
	struct arena *arena = *state;
	CLEANUP(buf_done) struct buf faults = BUF(65536);
	CLEANUP(config_done) struct config c = {0};
	struct config_places places = {
		.only = put("config", source_file(arena, "config.example"), 0644)};
	const struct account *a;
	struct error err = {0};

	if (!config_read(&places, write_fault_line, &faults, &c))
		fail_msg("%s", buf_text(&faults));
	assert_ok(config_choose(&c, NULL, NULL, NULL, &a, &err), err);
	assert_string_equal(a->name, "work");
}

/* --- the manual --------------------------------------------------------------- */

/* One ".It Ic key = …" of the manual and the lines below it. */
struct item {
	char section[64];
	struct slice key, text;
};

static bool next_item(struct slice *rest, struct item *item)
{
	while (rest->len > 0) {
		struct slice line = slice_upto(*rest, slice_find(*rest, '\n'));
		struct slice words = line;

		*rest = slice_from(*rest, line.len + 1);
		if (slice_starts(line, SLICE(".Sh ")))
			snprintf(item->section, sizeof(item->section), "account");
		if (slice_starts(line, SLICE(".Ss The "))) {
			words = slice_from(line, 8);

			struct slice first = slice_word(&words, " ");

			snprintf(item->section, sizeof(item->section), "%.*s", SLICE_ARG(first));
		}
		if (!slice_starts(line, SLICE(".It Ic ")))
			continue;
		words = slice_from(line, 7);
		item->key = slice_word(&words, " ");
		item->text = slice_upto(*rest, slice_search(*rest, SLICE("\n.It ")));
		item->text = slice_upto(item->text, slice_search(item->text, SLICE("\n.El")));
		return true;
	}
	return false;
}

static void the_manual_has_every_key_with_its_default(void **state)
{
	struct arena *arena = *state;
	char *text = source_file(arena, "man/pillarbox.conf.5");

	for (size_t i = 0; i < option_count; i++) {
		const struct option *o = &options[i];
		struct slice rest = slice_of(text);
		struct item item = {0};
		bool is_there = false;

		while (!is_there && next_item(&rest, &item))
			is_there = strcmp(item.section, o->section) == 0 &&
				   slice_eq(item.key, slice_of(o->key));
		if (!is_there)
			fail_msg("[%s] %s is not in the manual", o->section, o->key);
		if (!o->value)
			continue;

		struct slice plain = slice_of(arena_printf(arena, "Default: %s.", o->value));
		struct slice marked = slice_of(arena_printf(arena, "Default:\n.Cm %s .", o->value));

		if (slice_search(item.text, plain) == item.text.len &&
			slice_search(item.text, marked) == item.text.len)
			fail_msg("[%s] %s: the manual does not give the default %s", o->section,
				o->key, o->value);
	}
}

static void the_manual_has_no_other_keys(void **state)
{
	struct slice rest = slice_of(source_file(*state, "man/pillarbox.conf.5"));
	struct item item = {0};
	size_t count = 0;

	for (; next_item(&rest, &item); count++)
		if (!option_find(item.section, item.key))
			fail_msg("[%s] has no %.*s", item.section, SLICE_ARG(item.key));
	assert_int_equal(count, option_count);
}

static int set_up(void **state)
{
	return make_dir(state) < 0 ? -1 : give_arena(state);
}

static int tear_down(void **state)
{
	return take_arena(state) < 0 ? -1 : remove_dir(state);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_is_sound),
		cmocka_unit_test(a_failed_value_leaves_its_place_alone),
		cmocka_unit_test(every_choice_is_taken_in_any_case),
		cmocka_unit_test(the_example_shows_every_key_with_its_default),
		cmocka_unit_test(the_example_shows_nothing_else),
		cmocka_unit_test(the_example_is_a_configuration),
		cmocka_unit_test(the_manual_has_every_key_with_its_default),
		cmocka_unit_test(the_manual_has_no_other_keys),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
