/* SPDX-License-Identifier: Apache-2.0 */
/*
 * path.c - URL paths without what differs from request to request. Analyzer, any thread; pure.
 *
 * Invariant: nothing of the query, the fragment, the authority or a ;parameter is in the result.
 */
#include "path.h"

#include <string.h>

#include "id.h"

/* Bytes before the path: "http://user@host:80" of an absolute form. */
static size_t authority_end(const uint8_t *target, size_t len)
{
	size_t i = 0;

	while (i < len && (text_is_letter(target[i]) || (i && strchr("+-.0123456789", target[i]))))
		i++;
	if (i == 0 || len - i < 3 || memcmp(target + i, "://", 3) != 0)
		return 0;
	for (i += 3; i < len && !strchr("/?#", target[i]); i++)
		;
	return i;
}

void path_normalise(struct text *out, const uint8_t *target, size_t len, bool cut)
{
	size_t i = authority_end(target, len), end = i;
	bool last = false;

	while (end < len && target[end] != '?' && target[end] != '#')
		end++;
	cut = cut && end == len;
	if (len == 1 && target[0] == '*') {
		text_char(out, '*');
		return;
	}
	if (i == end && !cut)
		text_char(out, '/');
	while (i < end && !last && !out->full) {
		size_t n = 0, keep;

		if (target[i] == '/') {
			while (i < end && target[i] == '/')
				i++;
			text_char(out, '/');
			continue;
		}
		while (i + n < end && target[i + n] != '/')
			n++;
		last = cut && i + n == end; /* half a part may be half an identifier */
		for (keep = 0; keep < n && target[i + keep] != ';'; keep++)
			;
		if (!last)
			id_replace(out, target + i, keep, "");
		i += n;
	}
	if (cut)
		text_cut(out);
}

void path_target(struct text *out, const uint8_t *target, size_t len, bool cut)
{
	size_t end = authority_end(target, len), scheme = 0, skip;

	while (scheme < end && target[scheme] != ':')
		scheme++;
	if (end)
		scheme += 3; /* "://" */
	skip = scheme;
	for (size_t i = scheme; i < end; i++) {
		if (target[i] == '@')
			skip = i + 1;
	}
	if (end && end == len && cut && skip == scheme) /* what is seen may be a password whose '@' is not */
		skip = len;
	text_bytes(out, target, scheme);
	text_bytes(out, target + skip, len - skip);
}

void path_host(struct text *out, const uint8_t *authority, size_t len)
{
	const uint8_t *colon = memrchr(authority, ':', len), *bracket = memrchr(authority, ']', len);

	if (colon && (!bracket || colon > bracket))
		len = (size_t)(colon - authority);
	id_replace(out, authority, len, "");
}
