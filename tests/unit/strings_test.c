// SPDX-License-Identifier: Apache-2.0
/* strings_test.c - each text once, numbers and pointers that stay. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analyzer/strings.h"

static void test_empty_is_zero(void **state)
{
	struct strings *s = strings_new();

	(void)state;
	assert_non_null(s);
	assert_int_equal(strings_count(s), 1);
	assert_string_equal(strings_get(s, 0), "");
	assert_int_equal(strings_add(s, "", 0), 0);
	assert_int_equal(strings_add(s, NULL, 0), 0);
	assert_string_equal(strings_get(s, 77), "");
	strings_free(s);
	strings_free(NULL);
}

static void test_each_text_once(void **state)
{
	struct strings *s = strings_new();
	uint32_t a = strings_add(s, "GET /", 5), b = strings_add(s, "GET /x", 6);

	(void)state;
	assert_int_not_equal(a, 0);
	assert_int_not_equal(a, b);
	assert_int_equal(strings_add(s, "GET /xyz", 5), a);
	assert_int_equal(strings_add(s, "GET /xyz", 6), b);
	assert_string_equal(strings_get(s, a), "GET /");
	assert_int_equal(strings_count(s), 3);
	strings_free(s);
}

static void test_pointers_stay(void **state)
{
	enum { MANY = 20000 };
	struct strings *s = strings_new();
	char text[32], *large = malloc(200000);
	const char *first;

	(void)state;
	first = strings_get(s, strings_add(s, "first", 5));
	memset(large, 'x', 200000);
	assert_int_equal(strings_add(s, large, 200000), 2);
	for (int i = 0; i < MANY; i++) {
		int len = snprintf(text, sizeof(text), "text %d", i);

		assert_int_equal(strings_add(s, text, (size_t)len), 3 + i);
	}
	assert_string_equal(first, "first");
	for (int i = 0; i < MANY; i += 997) {
		int len = snprintf(text, sizeof(text), "text %d", i);

		assert_int_equal(strings_add(s, text, (size_t)len), 3 + i);
		assert_string_equal(strings_get(s, (uint32_t)(3 + i)), text);
	}
	assert_int_equal(strlen(strings_get(s, 2)), 200000);
	free(large);
	strings_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_empty_is_zero),
	    cmocka_unit_test(test_each_text_once),
	    cmocka_unit_test(test_pointers_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
