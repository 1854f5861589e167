/* SPDX-License-Identifier: Apache-2.0 */
/*
 * id.c - tells identifiers from words, one part of a name at a time. Analyzer, any thread; pure.
 *
 * Three kinds of evidence: the shape (digits, hex, uuid, date, address), a short list of words that
 * carry digits, and how likely the letters follow each other in words that people write (a table of
 * letter pairs, in half bits, so that a long random token is told from a word without a dictionary).
 *
 * Invariant: linear in the part's length, and never more than PART_BYTES_MAX of it are looked at.
 */
#include "id.h"

#include <string.h>

#define PART_BYTES_MAX	  64 /* a longer part is an identifier */
#define UUID_SEARCH_BYTES 256
#define UUID_BYTES	  36
#define PART_WORDS_MAX	  5 /* more words in one part are a title made into a URL */

/* Row: first letter, column: second. The character is 2 * log2(P(second | first) * 26) + 'm', from the
 * words of Debian's package descriptions and of Python and C sources, weighted by the root of their
 * count. 'm' is as likely as chance. */
static const char pairs[26][27] = {
    "gmonfimblahqnpamepoqjjgijb", "pjmkojigpmhqigoijnnjqfdgla", "phlipheomaonlhqidnlpljdfia",
    "ojjnsjiiqfclkinhhmnjmihiia", "mhopkmkdiaemmphljqpnfkhmia", "oikkopgaraaoklpianmlnaibka",
    "nhkgrgknoaaokpmkdpokmhacfd", "rchhsfeapafljjpginlnlgfdia", "llnmmmmacadnmspldlnockaiak",
    "qdljshddodiikkolhdnhpkhjgd", "oilktjjiqadlkkjiciolmhlade", "pihmriihqagpffphefmmmjefme",
    "rljkrifcpaemlfoqdfniniceea", "ohopplqemdijhjmhdfpqlkdbga", "kknmgkkakcjnnrlnaqnmnllhdb",
    "pgjjqihknakoiiomgqlomffclc", "lhgnjhhfkccmljegjpoktfcgci", "pgklsikfpaikmlojdlnokjgala",
    "mfmhqginpajmijmngjprnmgfja", "ofkirhdoqaekhhnjgpnmlegime", "lomknlkcoaapnqhnbpppccciae",
    "pkmirnhhoahmokmimmollhjiae", "rfjloieorafjlnpjgonikacccc", "mgojplfjnahjmkkqkgnrijdmia",
    "lilemkkcnaamnomsikpojfjafh", "pfhftccfocckkhnjkgjcfcccil"};

/* Words with digits that name a thing, not one of many. (One digit at the end needs no row.) */
static const char *const digit_words[] = {
    "a11y",    "amd64",	 "arm64",   "base32", "base58", "base64", "es256",  "float32",
    "float64", "h264",	 "h265",    "hs256",  "i18n",	"int16",  "int32",  "int64",
    "ipv4",    "ipv6",	 "iso8601", "k8s",    "l10n",	"log4j",  "neo4j",  "oauth2callback",
    "rs256",   "sha224", "sha256",  "sha384", "sha512", "uint16", "uint32", "uint64",
    "utf16",   "win32",	 "win64",   "x509",   "x86",	NULL};

static const char uuid_form[] = "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh";

/* What one walk over a part finds. */
struct shape {
	size_t letters, digits, hex, others, words;
	int surprise; /* half bits; negative = unlike a word */
	bool foreign; /* bytes that no one writes into a name by hand */
	bool mixed;   /* letters with digits, or lower case with upper case within a word */
};

static int pair_score(uint8_t a, uint8_t b)
{
	return pairs[text_lower(a) - 'a'][text_lower(b) - 'a'] - 'm';
}

static bool is_upper(uint8_t c)
{
	return c >= 'A' && c <= 'Z';
}

static bool is_alnum(uint8_t c)
{
	return text_is_letter(c) || text_is_digit(c);
}

/* How likely is `b` after `a`; both are letters or digits. */
static int step_score(const uint8_t *part, size_t at)
{
	uint8_t a = part[at - 1], b = part[at];

	if (text_is_digit(a))
		return text_is_digit(b) ? 0 : -8;
	if (text_is_digit(b))
		return -4;
	if (!is_upper(a) && is_upper(b))
		return -4;
	if (is_upper(a) && !is_upper(b) && at >= 2 && is_upper(part[at - 2]))
		return pair_score(a, b) - 4;
	return pair_score(a, b);
}

static void shape_find(const uint8_t *part, size_t len, struct shape *s)
{
	*s = (struct shape){0};
	for (size_t i = 0; i < len; i++) {
		uint8_t c = part[i];
		bool inside = i > 0 && is_alnum(part[i - 1]);

		if (text_is_letter(c))
			s->letters++;
		else if (text_is_digit(c))
			s->digits++;
		else
			s->others++;
		if (text_is_hex(c))
			s->hex++;
		if (c <= ' ' || c >= 0x7f || c == '%' || c == '@')
			s->foreign = true;
		if (!is_alnum(c))
			continue;
		if (!inside) {
			s->words++;
			continue;
		}
		s->surprise += step_score(part, i);
		if (text_is_digit(c) != text_is_digit(part[i - 1]) || (is_upper(c) && !is_upper(part[i - 1])))
			s->mixed = true;
	}
}

static bool part_is_id(const uint8_t *part, size_t len, const struct shape *s)
{
	size_t alnum = s->letters + s->digits;

	if (s->foreign || s->words > PART_WORDS_MAX)
		return true;
	if (!s->letters)
		return s->digits > 0; /* numbers, dates, times, coordinates, addresses */
	if (s->hex == alnum && alnum >= 8 && (s->digits > 0 || s->words == 1 || alnum >= 16)) {
		/* Only hex, and joined as uuids and fingerprints are. */
		for (size_t i = 0; i < len; i++) {
			if (!text_is_hex(part[i]) && part[i] != '-' && part[i] != ':' && part[i] != '{' &&
			    part[i] != '}')
				return false;
		}
		return true;
	}
	return false;
}

/* A run of letters in a word. The shorter it is the stronger must be the evidence; next to digits it
 * may be weaker. */
static bool letters_random(const uint8_t *word, size_t len, bool beside_digits)
{
	int score = 0;

	for (size_t i = 1; i < len; i++)
		score += step_score(word, i);
	if (beside_digits)
		return len >= 3 && score < (len < 5 ? -14 : -9);
	if (len >= 8)
		return score < (len >= 12 ? 0 : -14);
	return len >= 5 && score < -24;
}

static bool has_row(const uint8_t *word, size_t len)
{
	for (size_t i = 0; digit_words[i]; i++) {
		if (text_is_word(word, len, digit_words[i]))
			return true;
	}
	return false;
}

/* v1, v2beta3 */
static bool is_version(const uint8_t *word, size_t len)
{
	size_t i = 1;

	if (text_lower(word[0]) != 'v' || len < 2)
		return false;
	while (i < len && text_is_digit(word[i]))
		i++;
	if (i == 1 || i > 4)
		return false;
	size_t letters = i;

	while (i < len && text_is_letter(word[i]))
		i++;
	if (i == letters)
		return i == len;
	if (!text_is_word(word + letters, i - letters, "alpha") &&
	    !text_is_word(word + letters, i - letters, "beta") &&
	    !text_is_word(word + letters, i - letters, "rc"))
		return false;
	for (letters = i; i < len && text_is_digit(word[i]); i++)
		;
	return i == len && i - letters <= 2;
}

/* A word with digits in it: how much of it to keep. 0 = nothing, len = all, else the letters before. */
static size_t digits_keep(const uint8_t *word, size_t len)
{
	size_t head = 0, tail = 0, digits = 0;

	for (size_t i = 0; i < len; i++)
		digits += text_is_digit(word[i]);
	if (digits == len)
		return 0;
	while (head < len && text_is_letter(word[head]))
		head++;
	while (tail < len && text_is_letter(word[len - 1 - tail]))
		tail++;
	if (letters_random(word, head, true) || letters_random(word + len - tail, tail, true))
		return 0;
	if (head + digits == len) /* user7 stays, user17 does not */
		return digits == 1 ? len : head;
	if (digits == 1 && (head == 0 || len == 3)) /* 2fa, 7days, b2b */
		return len;
	return 0;
}

/* One run of letters and digits. */
static void word_replace(struct text *out, const uint8_t *word, size_t len)
{
	size_t hex = 0, digits = 0, keep = len;

	for (size_t i = 0; i < len; i++) {
		hex += text_is_hex(word[i]);
		digits += text_is_digit(word[i]);
	}
	if (hex == len && len >= 8)
		keep = 0;
	else if (!digits)
		keep = letters_random(word, len, false) ? 0 : len;
	else if (!has_row(word, len) && !is_version(word, len))
		keep = digits_keep(word, len);
	text_bytes(out, word, keep);
	if (keep < len)
		text_string(out, ID_PLACE);
}

/* True if the text ends with an identifier's place and one joint after it: the next place adds nothing. */
static bool ends_with_place(const struct text *out, size_t from)
{
	size_t n = sizeof(ID_PLACE); /* with the joint */

	return out->len >= from + n && !memcmp(out->to + out->len - n, ID_PLACE, n - 1);
}

/* Where a uuid begins in a part, `len` if there is none. */
static size_t uuid_find(const uint8_t *part, size_t len)
{
	for (size_t i = 0; i + UUID_BYTES <= len; i++) {
		size_t j = 0;

		while (j < UUID_BYTES &&
		       (uuid_form[j] == 'h' ? text_is_hex(part[i + j]) : part[i + j] == '-'))
			j++;
		if (j == UUID_BYTES && (i == 0 || !is_alnum(part[i - 1])) &&
		    (i + j == len || !is_alnum(part[i + j])))
			return i;
	}
	return len;
}

/* Word by word, where the part as a whole is no identifier. */
static void words_replace(struct text *out, const uint8_t *part, size_t len)
{
	size_t from = out->len;

	for (size_t i = 0; i < len && !out->full;) {
		size_t before = out->len, n = 0;
		bool joined = ends_with_place(out, from);

		if (!is_alnum(part[i])) {
			text_bytes(out, part + i++, 1);
			continue;
		}
		while (i + n < len && is_alnum(part[i + n]))
			n++;
		word_replace(out, part + i, n);
		if (joined && !strcmp(out->to + before, ID_PLACE))
			text_back(out, before - 1);
		i += n;
	}
}

/* A piece of a part, between dots: a token in which letters, digits and cases change as in no word. */
static bool piece_is_token(const uint8_t *piece, size_t len)
{
	struct shape s;

	shape_find(piece, len, &s);
	size_t alnum = s.letters + s.digits;

	return s.mixed && alnum >= 8 && s.surprise < (alnum >= 12 ? 0 : alnum >= 10 ? -6 : -12);
}

static void part_replace(struct text *out, const uint8_t *part, size_t len)
{
	size_t at = len <= UUID_SEARCH_BYTES ? uuid_find(part, len) : len;
	struct shape s;

	if (at < len) {
		words_replace(out, part, at);
		text_string(out, ID_PLACE);
		words_replace(out, part + at + UUID_BYTES, len - at - UUID_BYTES);
		return;
	}
	if (len <= PART_BYTES_MAX)
		shape_find(part, len, &s);
	if (len > PART_BYTES_MAX || part_is_id(part, len, &s)) {
		text_string(out, ID_PLACE);
		return;
	}
	for (size_t n; len; part += n, len -= n) {
		const uint8_t *dot = memchr(part, '.', len);

		n = dot == part ? 1 : dot ? (size_t)(dot - part) : len;
		if (piece_is_token(part, n))
			text_string(out, ID_PLACE);
		else
			words_replace(out, part, n);
	}
}

void id_replace(struct text *out, const uint8_t *name, size_t len, const char *separators)
{
	size_t start = 0;

	for (size_t i = 0; i <= len && !out->full; i++) {
		if (i < len && (name[i] == 0 || !strchr(separators, name[i])))
			continue;
		if (i > start)
			part_replace(out, name + start, i - start);
		if (i < len)
			text_bytes(out, name + i, 1);
		start = i + 1;
	}
}

static bool is_word_byte(uint8_t c)
{
	return is_alnum(c) || c >= 0x80;
}

/* The runs of digits in one word of a program text. */
static void runs_replace(struct text *out, const uint8_t *word, size_t len, bool every_number)
{
	for (size_t i = 0, n; i < len; i += n) {
		bool digits = text_is_digit(word[i]);

		for (n = 1; i + n < len && text_is_digit(word[i + n]) == digits;)
			n++;
		if (digits && (n >= 5 || every_number))
			text_string(out, ID_PLACE);
		else
			text_bytes(out, word + i, n);
	}
}

void id_replace_numbers(struct text *out, const uint8_t *name, size_t len, bool every_number)
{
	for (size_t i = 0, n; i < len && !out->full; i += n) {
		size_t hex = 0, digits = 0;
		bool word = is_word_byte(name[i]);

		for (n = 0; i + n < len && is_word_byte(name[i + n]) == word; n++) {
			hex += text_is_hex(name[i + n]);
			digits += text_is_digit(name[i + n]);
		}
		if (!word)
			text_bytes(out, name + i, n);
		else if (n >= 8 && hex == n && digits)
			text_string(out, ID_PLACE);
		else
			runs_replace(out, name + i, n, every_number);
	}
}
