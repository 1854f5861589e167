/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resp.c - Redis' protocol, versions 2 and 3. Analyzer, one thread per connection; pure.
 *
 * Values tell their own length, so replies need no memory of their requests but in the modes where the
 * server speaks unasked: subscriptions, MONITOR, CLIENT REPLY. The state is those.
 *
 * Invariant: no argument of a command that takes a password is ever shown; nesting and counts are walked
 * without recursion, in time linear in what was captured.
 */
#include <stdbool.h>
#include <string.h>

#include "id.h"
#include "resp_command.h"
#include "table.h"
#include "text.h"

#define COUNT_MAX      (1LL << 32) /* elements of one aggregate */
#define BULK_BYTES_MAX (1LL << 40)
#define NUMBER_DIGITS  18
#define INLINE_MAX     (64 * 1024)
#define ARGS	       12 /* that are looked at */
#define CONFIRMS       16 /* subscribe commands in flight */
#define WORD_BYTES_MAX 32

struct state {
	uint32_t outstanding;	    /* requests without a reply */
	uint32_t remaining;	    /* further replies to the subscribe command that was answered */
	uint16_t confirm[CONFIRMS]; /* channels of each subscribe command in flight */
	uint8_t confirm_first;
	uint8_t confirms;
	bool subscribed;
	bool monitor;
	bool sync;
	bool silent;	  /* CLIENT REPLY OFF */
	bool silent_next; /* CLIENT REPLY SKIP */
};

enum seen { SEEN_NOT, SEEN_PART, SEEN_WHOLE };

/* A word of a request: `seen` of its `len` bytes were captured. */
struct arg {
	const uint8_t *bytes;
	size_t len;
	size_t seen;
};

struct request {
	struct arg arg[ARGS];
	size_t args;  /* filled above */
	int64_t sent; /* how many the client sent; of an inline command those above */
	bool cut;     /* the capture ended before the last of them */
};

/* "123\r\n" from `*at`, which moves past it. */
static enum seen number_read(const uint8_t *b, size_t len, size_t *at, int64_t *v)
{
	size_t i = *at, digits = 0;
	bool minus = i < len && b[i] == '-';

	*v = 0;
	i += minus;
	for (; i < len && text_is_digit(b[i]); i++) {
		if (++digits > NUMBER_DIGITS)
			return SEEN_NOT;
		*v = *v * 10 + (b[i] - '0');
	}
	if (minus)
		*v = -*v;
	if (i >= len)
		return SEEN_PART;
	if (!digits || b[i] != '\r')
		return SEEN_NOT;
	if (i + 1 >= len)
		return SEEN_PART;
	if (b[i + 1] != '\n')
		return SEEN_NOT;
	*at = i + 2;
	return SEEN_WHOLE;
}

/* A line up to its end: simple strings, errors, numbers. */
static enum seen line_skip(const uint8_t *b, size_t len, size_t *at)
{
	const uint8_t *end = memchr(b + *at, '\r', len - *at);

	if (memchr(b + *at, '\n', end ? (size_t)(end - b) - *at : len - *at))
		return SEEN_NOT;
	if (!end || (size_t)(end - b) + 1 >= len)
		return SEEN_PART;
	if (end[1] != '\n')
		return SEEN_NOT;
	*at = (size_t)(end - b) + 2;
	return SEEN_WHOLE;
}

/* How many values an aggregate adds to those that must follow; -1 if it is no aggregate. */
static int64_t aggregate(uint8_t type, int64_t count)
{
	if (type == '*' || type == '~' || type == '>')
		return count > 0 ? count : 0;
	if (type == '%')
		return count > 0 ? 2 * count : 0;
	if (type == '|') /* attributes come before the value, and are none */
		return count > 0 ? 2 * count + 1 : 1;
	return -1;
}

/* One header at `*at`; `*values` becomes what must still follow, `*at` where. */
static enum seen value_step(const uint8_t *b, size_t len, size_t *at, int64_t *values, bool only_bulk)
{
	uint8_t type = b[(*at)++];
	int64_t n;
	enum seen seen;

	if (only_bulk && type != '$')
		return SEEN_NOT;
	(*values)--;
	if (!type)
		return SEEN_NOT;
	if (strchr("+-:,#(_", type))
		return line_skip(b, len, at);
	if (!strchr("$!=*~>%|", type))
		return SEEN_NOT;
	seen = number_read(b, len, at, &n);
	if (seen != SEEN_WHOLE)
		return *at < len && b[*at] == '?' ? SEEN_PART : seen;
	int64_t more = aggregate(type, n);

	if (more >= 0) {
		if (n > COUNT_MAX || n < -1)
			return SEEN_NOT;
		*values += more;
		return *values > COUNT_MAX * 4 ? SEEN_NOT : SEEN_WHOLE;
	}
	if (n > BULK_BYTES_MAX || n < -1 || (n < 0 && only_bulk))
		return SEEN_NOT;
	if (n < 0)
		return SEEN_WHOLE;
	if ((uint64_t)n < len - *at && b[*at + (size_t)n] != '\r')
		return SEEN_NOT;
	if ((uint64_t)n + 1 < len - *at && b[*at + (size_t)n + 1] != '\n')
		return SEEN_NOT;
	*at += (size_t)n + 2;
	return SEEN_WHOLE;
}

static int64_t values_end(const uint8_t *b, size_t len, size_t at, int64_t values, bool only_bulk)
{
	while (values > 0) {
		if (at >= len)
			return PROTO_MORE;
		enum seen seen = value_step(b, len, &at, &values, only_bulk);

		if (seen == SEEN_NOT)
			return PROTO_LOST;
		if (seen == SEEN_PART)
			return PROTO_MORE;
	}
	return (int64_t)at;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

/* A command as one types it: a known word, printable to the end of the line. */
static int64_t inline_end(const uint8_t *b, size_t len)
{
	size_t word = 0, i;

	for (i = 0; i < len && i < INLINE_MAX && b[i] != '\n'; i++) {
		if (b[i] < ' ' && b[i] != '\t' && !(b[i] == '\r' && (i + 1 >= len || b[i + 1] == '\n')))
			return PROTO_LOST;
	}
	bool whole = i < len && b[i] == '\n';

	if (whole && (i == 0 || (i == 1 && b[0] == '\r')))
		return (int64_t)i + 1; /* an empty line is ignored */
	while (word < i && b[word] != '\r' && !is_blank(b[word]))
		word++;
	if (!word)
		return len == 1 && b[0] == '\r' ? PROTO_MORE : PROTO_LOST;
	if (!resp_command_known(b, word, word == len))
		return PROTO_LOST;
	return whole ? (int64_t)i + 1 : PROTO_MORE;
}

static int64_t resp_edge(const void *state, enum proto_dir dir, const uint8_t *bytes, size_t len)
{
	size_t at = 1;
	int64_t n;

	(void)state;
	if (!len)
		return PROTO_MORE;
	if (dir == PROTO_TO_CLIENT)
		return values_end(bytes, len, 0, 1, false);
	if (bytes[0] != '*')
		return inline_end(bytes, len);
	switch (number_read(bytes, len, &at, &n)) {
	case SEEN_WHOLE:
		if (n > COUNT_MAX || n < -1)
			return PROTO_LOST;
		return n <= 0 ? (int64_t)at : values_end(bytes, len, at, n, true);
	case SEEN_PART:
		return PROTO_MORE;
	default:
		return PROTO_LOST;
	}
}

/* ---- requests ---- */

static void inline_read(const uint8_t *b, size_t len, struct request *r)
{
	size_t i = 0;

	r->cut = !memchr(b, '\n', len);
	while (i < len && r->args < ARGS) {
		size_t start;

		while (i < len && (is_blank(b[i]) || b[i] == '\r' || b[i] == '\n'))
			i++;
		for (start = i; i < len && !is_blank(b[i]) && b[i] != '\r' && b[i] != '\n';)
			i++;
		if (i == start)
			continue;
		/* A word at the end of the capture may go on. */
		r->arg[r->args++] = (struct arg){b + start, i - start + (r->cut && i == len), i - start};
	}
	r->sent = (int64_t)r->args;
}

static void request_read(const uint8_t *b, size_t len, struct request *r)
{
	size_t at = 1;

	*r = (struct request){0};
	if (!len || b[0] != '*') {
		inline_read(b, len, r);
		return;
	}
	r->cut = number_read(b, len, &at, &r->sent) != SEEN_WHOLE;
	for (int64_t i = 0; i < r->sent && !r->cut && r->args < ARGS; i++) {
		int64_t n;

		if (at >= len || b[at++] != '$' || number_read(b, len, &at, &n) != SEEN_WHOLE || n < 0 ||
		    n > BULK_BYTES_MAX) {
			r->cut = true;
			return;
		}
		size_t seen = (uint64_t)n < len - at ? (size_t)n : len - at;

		r->arg[r->args++] = (struct arg){b + at, (size_t)n, seen};
		r->cut = seen < (size_t)n;
		at += (size_t)n + 2;
		if (at > len)
			at = len;
	}
}

/* A command or subcommand in upper case; what is no word of letters is not shown. */
static bool word_put(struct text *out, const struct arg *a)
{
	if (!a->seen || a->len > WORD_BYTES_MAX || !text_is_letter(a->bytes[0]))
		return false;
	for (size_t i = 0; i < a->seen; i++) {
		uint8_t c = a->bytes[i];

		if (!text_is_letter(c) && !text_is_digit(c) && !strchr("._-|", c ? c : ' '))
			return false;
	}
	for (size_t i = 0; i < a->seen; i++) {
		uint8_t c = a->bytes[i];

		text_char(out, (char)(c >= 'a' && c <= 'z' ? c - 32 : c));
	}
	return true;
}

static const struct arg *key_find(const struct request *r, int key)
{
	if (key == RESP_KEY_STREAMS) {
		for (size_t i = 1; i + 1 < r->args; i++) {
			if (text_is_word(r->arg[i].bytes, r->arg[i].seen, "streams"))
				return &r->arg[i + 1];
		}
		return NULL;
	}
	return key != RESP_KEY_NONE && (size_t)key < r->args ? &r->arg[key] : NULL;
}

static void key_put(struct text *out, const struct arg *key)
{
	size_t n = key->seen;

	/* Half a part may be half an identifier. */
	while (key->seen < key->len && n && !strchr(":/|._-", key->bytes[n - 1] ? key->bytes[n - 1] : ' '))
		n--;
	id_replace(out, key->bytes, n, ":/|");
	if (key->seen < key->len)
		text_cut(out);
}

/* Command, subcommand and key as sent; what else there is are values, and these are not shown. */
static void target_put(struct label *out, const struct request *r, const struct resp_command *c)
{
	const struct arg *key = c->flags & RESP_SECRET ? NULL : key_find(r, c->key);
	size_t shown = c->flags & RESP_SUBCOMMAND ? 2 : 1;
	struct text target;

	text_start(&target, out->target, sizeof(out->target));
	for (size_t i = 0; i < r->args && !target.full; i++) {
		if (i >= shown && c->flags & RESP_SECRET)
			return; /* not even how many */
		if (i)
			text_char(&target, ' ');
		if (&r->arg[i] == key)
			text_bytes(&target, key->bytes, key->seen);
		else if (i >= shown || !word_put(&target, &r->arg[i]))
			text_char(&target, '?');
	}
	if (r->cut || (int64_t)r->args < r->sent)
		text_cut(&target);
}

static bool word_is(const struct request *r, size_t i, const char *word)
{
	return i < r->args && text_is_word(r->arg[i].bytes, r->arg[i].seen, word);
}

/* What the request does to the connection; true if it has no reply. */
static bool mode_set(struct state *s, const struct request *r, const struct resp_command *c)
{
	bool client = word_is(r, 0, "client") && word_is(r, 1, "reply");
	bool silent = s->silent || s->silent_next;

	s->silent_next = false;
	if (client) {
		s->silent = word_is(r, 2, "off");
		s->silent_next = word_is(r, 2, "skip");
		silent = s->silent || s->silent_next;
	}
	if ((c->flags & (RESP_SUBSCRIBE | RESP_UNSUBSCRIBE)) && s->confirms < CONFIRMS) {
		int64_t channels = r->sent > 1 ? r->sent - 1 : 1;

		s->confirm[(s->confirm_first + s->confirms++) % CONFIRMS] =
		    channels < UINT16_MAX ? (uint16_t)channels : UINT16_MAX;
	}
	if (c->flags & RESP_SUBSCRIBE)
		s->subscribed = true;
	if (c->flags & RESP_MONITOR)
		s->monitor = true;
	if (c->flags & RESP_SYNC)
		s->sync = true;
	if (c->flags & RESP_RESET)
		s->subscribed = s->monitor = false;
	if (word_is(r, 0, "replconf") && word_is(r, 1, "ack"))
		return true;
	return silent || r->sent <= 0;
}

static void label_request(struct state *s, const uint8_t *b, size_t len, struct label *out)
{
	struct request r;
	struct text operation;

	request_read(b, len, &r);
	text_start(&operation, out->operation, sizeof(out->operation));
	const struct resp_command *c =
	    r.args && r.arg[0].seen == r.arg[0].len ? resp_command_find(r.arg[0].bytes, r.arg[0].len) : NULL;

	if (!c) { /* not even the command was seen: its arguments may be anything */
		out->flags |= r.cut ? PROTO_CUT : PROTO_NO_RESPONSE;
		text_string(&operation, r.cut ? TEXT_ELLIPSIS : "empty");
		s->outstanding += r.cut;
		return;
	}
	if (!word_put(&operation, &r.arg[0]))
		text_string(&operation, "unknown command");
	else if ((c->flags & RESP_SUBCOMMAND) && r.args > 1) {
		text_char(&operation, ' ');
		if (r.arg[1].seen < r.arg[1].len)
			text_cut(&operation);
		else if (!word_put(&operation, &r.arg[1]))
			text_back(&operation, operation.len - 1);
	}
	const struct arg *key = key_find(&r, c->key);

	if (key && key->len) {
		text_char(&operation, ' ');
		key_put(&operation, key);
	}
	target_put(out, &r, c);
	if (r.cut)
		out->flags |= PROTO_CUT;
	if (c->flags & RESP_CONTROL ||
	    (word_is(&r, 0, "client") && (word_is(&r, 1, "setinfo") || word_is(&r, 1, "setname"))))
		out->flags |= PROTO_CONTROL;
	if (mode_set(s, &r, c))
		out->flags |= PROTO_NO_RESPONSE;
	else
		s->outstanding++;
}

/* ---- replies ---- */

/* The first element of an aggregate, if it is a string. */
static void element_read(const uint8_t *b, size_t len, struct arg *a)
{
	size_t at = 1;
	int64_t n;

	*a = (struct arg){b, 0, 0};
	if (number_read(b, len, &at, &n) != SEEN_WHOLE || n < 1 || at >= len || b[at++] != '$')
		return;
	if (number_read(b, len, &at, &n) != SEEN_WHOLE || n < 0 || (uint64_t)n > len - at)
		return;
	*a = (struct arg){b + at, (size_t)n, (size_t)n};
}

static bool is_message(const struct arg *a)
{
	return text_is_word(a->bytes, a->len, "message") || text_is_word(a->bytes, a->len, "pmessage") ||
	       text_is_word(a->bytes, a->len, "smessage");
}

static bool is_confirm(const struct arg *a)
{
	size_t skip = a->len && strchr("psPS", a->bytes[0] ? a->bytes[0] : ' ') ? 1 : 0;

	return text_is_word(a->bytes, a->len, "subscribe") || text_is_word(a->bytes, a->len, "unsubscribe") ||
	       text_is_word(a->bytes + skip, a->len - skip, "subscribe") ||
	       text_is_word(a->bytes + skip, a->len - skip, "unsubscribe");
}

/* One confirmation per channel: the first is the reply, the others are not asked for by any request. */
static bool confirm_is_push(struct state *s)
{
	if (s->remaining) {
		s->remaining--;
		return true;
	}
	if (!s->confirms)
		return !s->outstanding;
	s->remaining = s->confirm[s->confirm_first] - 1u;
	s->confirm_first = (s->confirm_first + 1) % CONFIRMS;
	s->confirms--;
	return false;
}

static bool is_push(struct state *s, const uint8_t *b, size_t len)
{
	struct arg first;

	if (b[0] == '+')
		return s->monitor && len > 1 && text_is_digit(b[1]);
	if (b[0] != '*' && b[0] != '>')
		return false;
	element_read(b, len, &first);
	if (is_confirm(&first) && (b[0] == '>' || s->subscribed || s->confirms || s->remaining))
		return confirm_is_push(s);
	if (b[0] == '>')
		return true;
	return is_message(&first) && (s->subscribed || !s->outstanding);
}

/* The first word of an error: "-ERR ..." or "!21\r\nSYNTAX ...". */
static void error_put(struct label *out, const uint8_t *b, size_t len)
{
	struct text status;
	size_t at = 1, n = 0;
	int64_t bulk;

	out->flags |= PROTO_ERROR;
	text_start(&status, out->status, sizeof(out->status));
	if (b[0] == '!' && number_read(b, len, &at, &bulk) != SEEN_WHOLE)
		return;
	while (at + n < len && n < WORD_BYTES_MAX && b[at + n] > ' ')
		n++;
	text_bytes(&status, b + at, n);
}

static void label_response(struct state *s, const uint8_t *b, size_t len, struct label *out)
{
	size_t at = 1;
	int64_t n;

	if (len && b[0] == '|' && number_read(b, len, &at, &n) == SEEN_WHOLE && n >= 0 && n < COUNT_MAX) {
		int64_t skip = values_end(b, len, at, 2 * n, false);

		if (skip < 0 || (uint64_t)skip >= len)
			skip = (int64_t)len;
		b += skip;
		len -= (size_t)skip;
	}
	if (len && is_push(s, b, len)) {
		out->flags |= PROTO_PUSH;
		return;
	}
	if (s->outstanding)
		s->outstanding--;
	if (len && (b[0] == '-' || b[0] == '!'))
		error_put(out, b, len);
	else if (s->sync)
		out->flags |= PROTO_UPGRADE;
}

static void resp_label(void *state, enum proto_dir dir, const uint8_t *bytes, size_t len, int full,
		       struct label *out)
{
	(void)full;
	if (dir == PROTO_TO_SERVER)
		label_request(state, bytes, len, out);
	else
		label_response(state, bytes, len, out);
}

/* ---- recognition ---- */

static int sniff_request(const uint8_t *b, size_t len)
{
	struct request r;
	int64_t end = resp_edge(NULL, PROTO_TO_SERVER, b, len);

	if (end == PROTO_LOST)
		return 0;
	if (b[0] != '*')
		return end > 2 ? 70 : 0;
	request_read(b, len, &r);
	if (!r.args)
		return len > 4 ? 75 : 30; /* "*3\r\n$" */
	if (!r.arg[0].seen)
		return 75;
	return text_is_letter(r.arg[0].bytes[0]) && r.arg[0].len <= WORD_BYTES_MAX ? 95 : 50;
}

static bool is_line(const uint8_t *b, size_t len, const char *line)
{
	size_t n = strlen(line);

	return len > n && !memcmp(b, line, n) && b[n] == '\r';
}

static int sniff_reply(const uint8_t *b, size_t len)
{
	int64_t end = values_end(b, len, 0, 1, false);
	bool whole = end > 0;

	if (end == PROTO_LOST)
		return 0;
	switch (b[0]) {
	case '+':
		if (!whole)
			return 20;
		return is_line(b, len, "+OK") || is_line(b, len, "+PONG") ? 80 : 40;
	case '-':
		for (size_t i = 1; i < len && b[i] != ' ' && b[i] != '\r'; i++) {
			if (text_lower(b[i]) == b[i])
				return 0;
		}
		return len >= 5 ? 80 : 20;
	case '$':
	case '*':
	case '>':
	case '%':
	case '~':
		return whole || len >= 8 ? 80 : 40;
	default:
		return whole ? 65 : 20;
	}
}

static int resp_sniff(enum proto_dir dir, const uint8_t *head, size_t len)
{
	if (!len)
		return 0;
	return dir == PROTO_TO_SERVER ? sniff_request(head, len) : sniff_reply(head, len);
}

static const uint16_t ports[] = {6379, 6380, 7000, 16379, 26379, 0};

const struct proto proto_resp = {
    .name = "resp",
    .ports = ports,
    .state_bytes = sizeof(struct state),
    .pairing = PROTO_FIFO,
    .sniff = resp_sniff,
    .edge = resp_edge,
    .label = resp_label,
};

_Static_assert(sizeof(struct state) <= PROTO_STATE_BYTES, "the state fits");
