#include "test.h"

#include "base/base64.h"

/* RFC 4648 section 10. */
static void vectors_of_the_standard(void **state)
{
	static const struct {
		const char *plain, *encoded;
	} cases[] = {
		{"", ""},
		{"f", "Zg=="},
		{"fo", "Zm8="},
		{"foo", "Zm9v"},
		{"foob", "Zm9vYg=="},
		{"fooba", "Zm9vYmE="},
		{"foobar", "Zm9vYmFy"},
		{"\xfb\xff\xbf", "+/+/"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_done) struct buf encoded = BUF(100);
		CLEANUP(buf_done) struct buf plain = BUF(100);

		base64_encode(&encoded, slice_of(cases[i].plain));
		assert_string_equal(buf_text(&encoded), cases[i].encoded);
		assert_true(base64_decode(&plain, slice_of(cases[i].encoded)));
		assert_string_equal(buf_text(&plain), cases[i].plain);
	}
}

static void faulty_text_changes_nothing(void **state)
{
	static const char *const cases[] = {"Z", "Zg", "Zg=", "Zg===", "=",
		"====", "Z===", "Zm9vYg", "Zm9v Yg==", "Zm9v\n", "Zh==", "Zm9=", "Zg==Zg==", "Zm=v",
		"Z-9v", "Z_9v", "Zm9v====", "\xff\xff\xff\xff"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_done) struct buf out = BUF(100);

		buf_add_text(&out, "old");
		if (base64_decode(&out, slice_of(cases[i])))
			fail_msg("'%s' passes", cases[i]);
		assert_string_equal(buf_text(&out), "old");
	}
}

static void all_octets_come_back(void **state)
{
	CLEANUP(buf_done) struct buf plain = BUF(1000);
	CLEANUP(buf_done) struct buf encoded = BUF(2000);
	CLEANUP(buf_done) struct buf decoded = BUF(1000);

	(void)state;
	for (int i = 0; i < 256; i++)
		buf_add_char(&plain, (char)i);
	base64_encode(&encoded, buf_slice(&plain));
	assert_true(base64_decode(&decoded, buf_slice(&encoded)));
	assert_true(slice_eq(buf_slice(&plain), buf_slice(&decoded)));
}

static void ceilings_hold(void **state)
{
	CLEANUP(buf_done) struct buf small = BUF(5);

	(void)state;
	base64_encode(&small, SLICE("foob"));
	assert_true(small.is_full);
	assert_int_equal(small.len, 0);
	buf_clear(&small);
	assert_false(base64_decode(&small, SLICE("Zm9vYmFy")));
	assert_string_equal(buf_text(&small), "");
	assert_int_equal(small.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors_of_the_standard),
		cmocka_unit_test(faulty_text_changes_nothing),
		cmocka_unit_test(all_octets_come_back),
		cmocka_unit_test(ceilings_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
