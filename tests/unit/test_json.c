#include "test.h"

#include "base/json.h"

static void documents_are_written_in_order(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf out = BUF(1024);
	struct json j = {.out = &out};

	json_open(&j, '{');
	json_text(&j, "a", "b");
	json_number(&j, "n", INT64_MIN);
	json_bool(&j, "yes", true);
	json_bool(&j, "no", false);
	json_text(&j, "none", NULL);
	json_open_member(&j, "list", '[');
	json_open(&j, '{');
	json_close(&j, '}');
	json_open(&j, '{');
	json_number(&j, "x", 1);
	json_close(&j, '}');
	json_close(&j, ']');
	json_open_member(&j, "empty", '[');
	json_close(&j, ']');
	json_text(&j, "last", "");
	json_close(&j, '}');
	assert_string_equal(buf_text(&out),
		"{\"a\":\"b\",\"n\":-9223372036854775808,\"yes\":true,\"no\":false,\"none\":null,"
		"\"list\":[{},{\"x\":1}],\"empty\":[],\"last\":\"\"}");
}

static void text_of_any_kind_is_a_string(void **state UNUSED)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"plain", "{\"t\":\"plain\"}"},
		{"a\"b\\c", "{\"t\":\"a\\\"b\\\\c\"}"},
		{"\r\n\t\x01\x1f\x7f", "{\"t\":\"\\u000d\\u000a\\u0009\\u0001\\u001f\\u007f\"}"},
		{"gr\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80",
			"{\"t\":\"gr\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80\"}"},
		{"\xc3", "{\"t\":\"?\"}"},
		{"\xed\xa0\x80", "{\"t\":\"???\"}"}, /* half of a surrogate pair */
		{"</script>", "{\"t\":\"</script>\"}"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_done) struct buf out = BUF(1024);
		struct json j = {.out = &out};

		json_open(&j, '{');
		json_text(&j, "t", cases[i].text);
		json_close(&j, '}');
		assert_string_equal(buf_text(&out), cases[i].want);
	}
}

static void names_are_escaped_as_well(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf out = BUF(1024);
	struct json j = {.out = &out};

	json_open(&j, '{');
	json_text(&j, "a\"b", "c");
	json_close(&j, '}');
	assert_string_equal(buf_text(&out), "{\"a\\\"b\":\"c\"}");
}

static void a_document_that_does_not_fit_is_known(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf out = BUF(8);
	struct json j = {.out = &out};

	json_open(&j, '{');
	json_text(&j, "name", "a long text");
	json_close(&j, '}');
	assert_true(out.is_full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(documents_are_written_in_order),
		cmocka_unit_test(text_of_any_kind_is_a_string),
		cmocka_unit_test(names_are_escaped_as_well),
		cmocka_unit_test(a_document_that_does_not_fit_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
