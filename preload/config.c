/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.c - the DPROF_* settings: one table that gives the parser, the messages, the header of the dump and
 * the man page (a test compares them). Runs once, in our constructor or in the first hook, whichever comes
 * first; no malloc, no stdio, no getenv (programs bring their own).
 *
 * Invariant: a bad value never stops anything: the standard holds, and one line says so once tracing starts.
 */
#include "preload/config.h"

#include <stddef.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/utsname.h>

#include "preload/ring.h"
#include "preload/say.h"
#include "preload/sys.h"
#include "preload/text.h"

#define COMM_BYTES	16
#define STANDARD_HEAD	256
#define STANDARD_ASK	1024 /* generated SQL and headers with cookies are longer than answers need be */
#define STANDARD_RING	(4u << 20)
#define STANDARD_FLUSH	1000
#define SETTING_BYTES	24 /* of a number in the header */
#define CONFIG_ROWS_MAX 13

enum config_kind { KIND_FLAG, KIND_NUMBER, KIND_PATH, KIND_NAME, KIND_CHOICE, KIND_WINDOW, KIND_CAPTURE };

const struct config_row config_rows[] = {
    {"DPROF_DISABLE", "0 or 1", "0", "1: the library does nothing at all"},
    {"DPROF_DIR", "a path", "./dumps",
     "where dumps go; made if it is missing; relative to the directory the program starts in"},
    {"DPROF_HOST", "a name", "the node name", "name of this host in dumps and reports"},
    {"DPROF_SERVICE", "a name", "the program",
     "name of this service in reports; OTEL_SERVICE_NAME does as well"},
    {"DPROF_CAPTURE", "off, head, or bytes, N or N/M, 0 to 16384", "head",
     "how much is copied of the first bytes of each message, with secrets masked. head: 1024 of requests, "
     "256 of "
     "answers; N: so many of both; N/M: N of requests, M of answers; off: nothing"},
    {"DPROF_RING", "bytes, 64K to 256M", "4M", "memory for records of a thread until they are written"},
    {"DPROF_FLUSH_MS", "ms, 10 to 60000", "1000", "how long a record waits at most before it is written"},
    {"DPROF_MAX_DISK", "0, or bytes, at least 1M", "0",
     "how much room the dump of a process may take; then its oldest records go, an eighth of it at a time; "
     "0: no limit"},
    {"DPROF_WINDOW", "off, or W/P[,seed=N][,margin=T] in ms, s, m or h", "off",
     "record for W in each P only, at the same moments on every host, and a margin (half a W, at most 1s) "
     "around"},
    {"DPROF_TLS", "on or off", "on", "off: what passes through OpenSSL or GnuTLS is seen as ciphertext only"},
    {"DPROF_IO_URING", "report or refuse", "report",
     "refuse: the program is told that the kernel has no io_uring, so that it uses calls that can be seen"},
    {"DPROF_FOLLOW", "0 or 1", "1",
     "0: a program that is started with an environment of its own, without LD_PRELOAD, is not traced"},
    {"DPROF_VERBOSE", "0 or 1", "0", "1: says on stderr which dump is written"},
    {NULL, NULL, NULL, NULL},
};

/* What the row means to the parser, in the order of config_rows. */
static const struct {
	enum config_kind kind;
	size_t field;
	uint64_t least, most;
	const char *words[3]; /* of a choice, by its enum */
} config_fields[] = {
    {KIND_FLAG, offsetof(struct config, disable), 0, 1, {NULL}},
    {KIND_PATH, offsetof(struct config, dir), 0, 0, {NULL}},
    {KIND_NAME, offsetof(struct config, host), 0, 0, {NULL}},
    {KIND_NAME, offsetof(struct config, service), 0, 0, {NULL}},
    {KIND_CAPTURE, offsetof(struct config, capture_text), 0, RING_DATA_MAX, {NULL}},
    {KIND_NUMBER, offsetof(struct config, ring_bytes), RING_BYTES_MIN, RING_BYTES_MAX, {NULL}},
    {KIND_NUMBER, offsetof(struct config, flush_ms), 10, 60000, {NULL}},
    {KIND_NUMBER, offsetof(struct config, max_disk), 0, 1ull << 50, {NULL}},
    {KIND_WINDOW, offsetof(struct config, window_text), 0, 0, {NULL}},
    {KIND_CHOICE, offsetof(struct config, tls), 0, 0, {"on", "off"}},
    {KIND_CHOICE, offsetof(struct config, io_uring), 0, 0, {"report", "refuse"}},
    {KIND_FLAG, offsetof(struct config, follow), 0, 1, {NULL}},
    {KIND_FLAG, offsetof(struct config, verbose), 0, 1, {NULL}},
};

_Static_assert(sizeof config_fields / sizeof config_fields[0] == CONFIG_ROWS_MAX, "a field per setting");
_Static_assert(sizeof config_rows / sizeof config_rows[0] == CONFIG_ROWS_MAX + 1, "a row per setting");

enum { READ_NOT, READ_RUNNING, READ_DONE };

extern char **environ;

static uint32_t config_read;
static struct config config = {.head_bytes = STANDARD_HEAD,
			       .head_request_bytes = STANDARD_ASK,
			       .capture_text = "head",
			       .ring_bytes = STANDARD_RING,
			       .flush_ms = STANDARD_FLUSH,
			       .follow = true,
			       .window_text = "off"};
static const struct config config_nothing = {.disable = true};
static char bad_values[CONFIG_ROWS_MAX][64]; /* "" = was fine */
static uint32_t complained;
static char number_texts[CONFIG_ROWS_MAX][SETTING_BYTES];
static const char *settings[2 * CONFIG_ROWS_MAX + 1];

uint32_t config_head_bytes[2] = {STANDARD_HEAD, STANDARD_ASK};

/* The value of a variable, NULL if it is not set or empty. */
static const char *variable(const char *name)
{
	for (char **e = environ; e != NULL && *e != NULL; e++) {
		const char *value = text_after(*e, name);

		if (value != NULL && *value == '=' && value[1] != '\0')
			return value + 1;
	}
	return NULL;
}

/* Digits, then perhaps K, M or G. UINT64_MAX: no such number. */
static uint64_t parse_number(const char *value)
{
	const char *end;
	uint64_t v = text_number(value, &end);
	unsigned int shift = 0;

	if (v > UINT32_MAX)
		return UINT64_MAX;
	if (*end == 'k' || *end == 'K')
		shift = 10;
	else if (*end == 'm' || *end == 'M')
		shift = 20;
	else if (*end == 'g' || *end == 'G')
		shift = 30;
	if (shift > 0)
		end++;
	return *end == '\0' ? v << shift : UINT64_MAX;
}

static void absolute(struct text *t, const char *path)
{
	char here[CONFIG_PATH_BYTES];

	while (path[0] == '.' && path[1] == '/')
		path += 2;
	if (path[0] != '/' && sys_call(SYS_getcwd, here, sizeof here) > 0) {
		text_add(t, here);
		if (here[1] != '\0')
			text_add(t, "/");
	}
	text_add(t, path);
}

static bool take_choice(size_t row, const char *value, uint8_t *field)
{
	const char *const *words = config_fields[row].words;

	for (uint8_t i = 0; words[i] != NULL; i++) {
		if (text_equal(value, words[i])) {
			*field = i;
			return true;
		}
	}
	return false;
}

/* off, head, N, or N/M. */
static bool take_capture(const char *value, uint64_t most)
{
	char request[CONFIG_CAPTURE_BYTES];
	const char *answer = value;
	struct text t;

	text_start(&t, config.capture_text, sizeof config.capture_text);
	text_add(&t, value);
	if (t.full)
		return false;
	if (text_equal(value, "head"))
		return true;
	if (text_equal(value, "off")) {
		config.head_bytes = config.head_request_bytes = 0;
		return true;
	}
	text_start(&t, request, sizeof request);
	while (*answer != '/' && *answer != '\0')
		text_add_len(&t, answer++, 1);
	config.head_request_bytes = parse_number(request);
	config.head_bytes = *answer == '/' ? parse_number(answer + 1) : config.head_request_bytes;
	return config.head_bytes <= most && config.head_request_bytes <= most;
}

/* False if the value cannot be used. */
static bool take_value(size_t row, const char *value)
{
	char *field = (char *)&config + config_fields[row].field;
	struct text t;
	uint64_t v;

	switch (config_fields[row].kind) {
	case KIND_FLAG:
		v = parse_number(value);
		if (v > 1)
			return false;
		*(bool *)field = v == 1;
		return true;
	case KIND_NUMBER:
		v = parse_number(value);
		if (v < config_fields[row].least || v > config_fields[row].most)
			return false;
		*(uint64_t *)field = v;
		return true;
	case KIND_CHOICE:
		return take_choice(row, value, (uint8_t *)field);
	case KIND_WINDOW:
		text_start(&t, field, CONFIG_WINDOW_BYTES);
		text_add(&t, value);
		return !t.full && window_parse(value, &config.window);
	case KIND_CAPTURE:
		return take_capture(value, config_fields[row].most);
	case KIND_PATH:
		text_start(&t, field, CONFIG_PATH_BYTES);
		absolute(&t, value);
		return !t.full;
	default:
		text_start(&t, field, CONFIG_NAME_BYTES);
		text_add(&t, value);
		return !t.full;
	}
}

/* The file's name; what the kernel calls the process instead if that is a script's name. */
static void read_program(void)
{
	char comm[COMM_BYTES] = "";
	struct text t;
	const char *base = config.exe;
	long n = sys_call(SYS_readlink, "/proc/self/exe", config.exe, sizeof config.exe - 1);

	config.exe[n > 0 ? n : 0] = '\0';
	for (const char *s = config.exe; *s != '\0'; s++)
		if (*s == '/')
			base = s + 1;
	sys_call(SYS_prctl, PR_GET_NAME, comm);
	text_start(&t, config.program, sizeof config.program);
	/* cut short, or started as /proc/self/exe: then the file's name says more */
	if ((strlen(comm) == COMM_BYTES - 1 && text_after(base, comm)) || text_equal(comm, "exe") ||
	    comm[0] == '\0')
		text_add(&t, base);
	else
		text_add(&t, comm);
	if (t.len == 0)
		text_add(&t, "unknown");
}

static void read_host(void)
{
	struct utsname names;
	struct text t;

	text_start(&t, config.host, sizeof config.host);
	if (sys_call(SYS_uname, &names) == 0)
		text_add(&t, names.nodename);
	if (t.len == 0)
		text_add(&t, "localhost");
}

static void list_settings(void)
{
	for (size_t i = 0; i < CONFIG_ROWS_MAX; i++) {
		const char *field = (const char *)&config + config_fields[i].field;
		struct text t;

		text_start(&t, number_texts[i], SETTING_BYTES);
		settings[2 * i] = config_rows[i].name;
		settings[2 * i + 1] = number_texts[i];
		if (config_fields[i].kind == KIND_FLAG)
			text_add_number(&t, *(const bool *)field);
		else if (config_fields[i].kind == KIND_NUMBER)
			text_add_number(&t, *(const uint64_t *)field);
		else if (config_fields[i].kind == KIND_CHOICE)
			settings[2 * i + 1] = config_fields[i].words[*(const uint8_t *)field];
		else
			settings[2 * i + 1] = field;
	}
}

static void read_all(void)
{
	const char *value;
	struct text t;

	if (getauxval(AT_SECURE) != 0) { /* the environment is somebody else's */
		config.disable = true;
		return;
	}
	read_program();
	read_host();
	text_start(&t, config.dir, sizeof config.dir);
	absolute(&t, "dumps");
	text_start(&t, config.service, sizeof config.service);
	value = variable("OTEL_SERVICE_NAME");
	text_add(&t, value != NULL ? value : config.program);
	for (size_t i = 0; i < CONFIG_ROWS_MAX; i++) {
		struct config before;

		value = variable(config_rows[i].name);
		if (value == NULL)
			continue;
		before = config;
		if (take_value(i, value))
			continue;
		config = before;
		text_start(&t, bad_values[i], sizeof bad_values[i]);
		text_add(&t, value);
	}
	while ((config.ring_bytes & (config.ring_bytes - 1)) != 0) /* up to a power of two */
		config.ring_bytes += config.ring_bytes & -config.ring_bytes;
	config_head_bytes[0] = (uint32_t)config.head_bytes;
	config_head_bytes[1] = (uint32_t)config.head_request_bytes;
	list_settings();
}

const struct config *config_get(void)
{
	uint32_t expected = READ_NOT;

	if (__builtin_expect(__atomic_load_n(&config_read, __ATOMIC_ACQUIRE) == READ_DONE, 1))
		return &config;
	if (!__atomic_compare_exchange_n(&config_read, &expected, READ_RUNNING, false, __ATOMIC_ACQUIRE,
					 __ATOMIC_ACQUIRE))
		return expected == READ_DONE ? &config : &config_nothing; /* in the middle of it: not yet */
	read_all();
	__atomic_store_n(&config_read, READ_DONE, __ATOMIC_RELEASE);
	return &config;
}

void config_complain(void)
{
	if (__atomic_exchange_n(&complained, 1, __ATOMIC_RELAXED))
		return;
	for (size_t i = 0; i < CONFIG_ROWS_MAX; i++)
		if (bad_values[i][0] != '\0')
			SAY(config_rows[i].name, "=", bad_values[i], " is not valid: must be ",
			    config_rows[i].allowed, "; using ", config_rows[i].standard);
}

const char *config_bad_value(size_t row)
{
	config_get();
	return row < CONFIG_ROWS_MAX && bad_values[row][0] != '\0' ? bad_values[row] : NULL;
}

const char *const *config_settings(void)
{
	return settings;
}
