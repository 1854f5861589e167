// SPDX-License-Identifier: Apache-2.0
/* layer_test.c - which connection carries the plaintext of which session, by each of the three signs; what of
 * it is ciphertext; and which session's ends are each other's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "analyzer/pass/pair.h"
#include "tests/unit/story.h"

#define C RECORD_FLAG_CONNECT
#define S RECORD_FLAG_ACCEPT

static const char randoms[3][33] = {"the random of the first session.", "the random of the other session.",
				    "nobody has seen a hello of this."};

struct scene {
	struct story *s;
	uint64_t t;
	struct conns conns;
	struct links links;
};

static struct scene scene_new(uint32_t processes)
{
	struct scene x = {.s = story_new(), .t = 1000};

	for (uint32_t i = 0; i < processes; i++)
		story_process(x.s, 0, 10 + i, 1);
	return x;
}

static void open_conn(struct scene *x, uint32_t process, uint32_t conn, uint16_t flags)
{
	struct story_end e = {.process = process,
			      .conn = conn,
			      .flags = flags,
			      .local_host = flags == C ? 1 : 2,
			      .remote_host = flags == C ? 2 : 1,
			      .local_port = flags == C ? (uint16_t)(40000 + conn) : 443,
			      .remote_port = flags == C ? 443 : (uint16_t)(40000 + conn),
			      .cookie = process * 100 + conn};

	story_open(x->s, &e, x->t, x->t + 10);
	x->t += 100;
}

static void move(struct scene *x, uint32_t process, uint8_t kind, uint32_t conn, uint64_t off, uint32_t len)
{
	story_move(x->s, kind, process, conn, off, NULL, len, 0, x->t, x->t + 10);
	x->t += 100;
}

/* A ClientHello up to its random; `from`: how much of it the record has not. */
static void hello(struct scene *x, uint32_t process, uint8_t kind, uint32_t conn, uint64_t off, int random,
		  uint32_t from)
{
	uint8_t bytes[43] = {0x16, 3, 1, 0, 42, 1, 0, 0, 38, 3, 3};

	memcpy(bytes + 11, randoms[random], 32);
	story_move(x->s, kind, process, conn, off + from, bytes + from, sizeof(bytes) - from, 0, x->t,
		   x->t + 10);
	x->t += 100;
}

static void session(struct scene *x, uint32_t process, uint32_t conn, int random, uint16_t flags)
{
	struct tls_session data = {.off_in = 0};

	memcpy(data.random, randoms[random], sizeof(data.random));
	story_record(x->s, process,
		     (struct store_record){
			 .kind = RECORD_TLS, .flags = flags, .conn = conn, .t0_ns = x->t, .t1_ns = x->t + 10},
		     &data, sizeof(data));
}

/* A call of a session that moved its `n`-th ten bytes, by a call on the carrier inside it. */
static void inside(struct scene *x, uint32_t process, uint8_t kind, uint32_t conn, uint32_t carrier,
		   uint64_t n)
{
	story_move(x->s, kind, process, carrier, 100 + 32 * n, NULL, 32, 0, x->t + 10, x->t + 20);
	story_move(x->s, kind, process, conn, 10 * n, NULL, 10, 0, x->t, x->t + 30);
	x->t += 100;
}

/* The same, beside each other: an event loop's. */
static void beside(struct scene *x, uint32_t process, uint32_t conn, uint32_t carrier, uint64_t n)
{
	move(x, process, RECORD_IN, carrier, 100 + 32 * n, 32);
	move(x, process, RECORD_IN, conn, 10 * n, 10);
	move(x, process, RECORD_OUT, conn, 10 * n, 10);
	move(x, process, RECORD_OUT, carrier, 100 + 32 * n, 32);
}

static void run(struct scene *x)
{
	assert_int_equal(conn_run(&x->s->store, &x->conns), 0);
	assert_int_equal(pair_run(&x->s->store, &x->conns, &x->links), 0);
}

static void end(struct scene *x)
{
	pair_free(&x->links);
	conn_free(&x->conns);
	story_free(x->s);
}

static const struct view *view(const struct scene *x, uint32_t process, uint32_t conn)
{
	for (uint32_t i = 0; i < x->conns.view_count; i++)
		if (x->conns.views[i].process == process && x->conns.views[i].conn == conn)
			return &x->conns.views[i];
	fail();
	return NULL;
}

/* The number of the conn that carries this one, 0: not known. */
static uint32_t carrier(const struct scene *x, uint32_t process, uint32_t conn)
{
	uint32_t c = view(x, process, conn)->carrier;

	return c == STORE_NONE ? 0 : x->conns.views[c].conn;
}

static void by_hello(void **state)
{
	struct scene x = scene_new(1);

	(void)state;
	open_conn(&x, 0, 1, C);
	open_conn(&x, 0, 2, S);
	hello(&x, 0, RECORD_OUT, 1, 0, 0, 0);
	move(&x, 0, RECORD_IN, 2, 0, 5); /* the header by itself */
	hello(&x, 0, RECORD_IN, 2, 0, 1, 5);
	session(&x, 0, 3, 1, S);
	session(&x, 0, 4, 0, C);
	session(&x, 0, 5, 2, C);
	run(&x);
	assert_int_equal(carrier(&x, 0, 3), 2);
	assert_int_equal(carrier(&x, 0, 4), 1);
	assert_int_equal(carrier(&x, 0, 5), 0);
	assert_int_equal(view(&x, 0, 2)->covered_in, 0);
	assert_int_equal(view(&x, 0, 2)->covered_out, 0);
	end(&x);
}

/* The hello came after 8 bytes and their answer: those are in the clear. */
static void after_a_question(void **state)
{
	struct scene x = scene_new(1);

	(void)state;
	open_conn(&x, 0, 1, C);
	move(&x, 0, RECORD_OUT, 1, 0, 8);
	move(&x, 0, RECORD_IN, 1, 0, 1);
	hello(&x, 0, RECORD_OUT, 1, 8, 0, 0);
	move(&x, 0, RECORD_IN, 1, 1, 900);
	session(&x, 0, 2, 0, C);
	run(&x);
	assert_int_equal(carrier(&x, 0, 2), 1);
	assert_int_equal(view(&x, 0, 1)->covered_out, 8);
	assert_int_equal(view(&x, 0, 1)->covered_in, 1);
	assert_int_equal(view(&x, 0, 2)->local.port, 40001);
	end(&x);
}

/* Both ends in one process have one random: who says hello, and else the calls, tell them apart. */
static void both_ends_here(void **state)
{
	for (int known = 0; known < 2; known++) {
		struct scene x = scene_new(1);

		(void)state;
		open_conn(&x, 0, 1, C);
		open_conn(&x, 0, 2, S);
		hello(&x, 0, RECORD_OUT, 1, 0, 0, 0);
		hello(&x, 0, RECORD_IN, 2, 0, 0, 0);
		session(&x, 0, 3, 0, known ? S : 0);
		session(&x, 0, 4, 0, known ? C : 0);
		if (!known) {
			inside(&x, 0, RECORD_OUT, 4, 1, 0);
			inside(&x, 0, RECORD_IN, 3, 2, 0);
		}
		run(&x);
		assert_int_equal(carrier(&x, 0, 3), 2);
		assert_int_equal(carrier(&x, 0, 4), 1);
		assert_int_equal(view(&x, 0, 3)->role, VIEW_SERVER);
		assert_int_equal(view(&x, 0, 4)->role, VIEW_CLIENT);
		end(&x);
	}
}

static void by_calls_inside(void **state)
{
	for (int strange = 0; strange < 2; strange++) {
		struct scene x = scene_new(1);

		(void)state;
		open_conn(&x, 0, 1, C);
		open_conn(&x, 0, 2, C);
		session(&x, 0, 3, 2, C);
		inside(&x, 0, RECORD_OUT, 3, 1, 0);
		inside(&x, 0, RECORD_IN, 3, strange ? 2 : 1, 0);
		run(&x);
		assert_int_equal(carrier(&x, 0, 3), strange ? 0 : 1);
		assert_int_equal(view(&x, 0, 1)->covered_out, strange ? UINT64_MAX : 0);
		end(&x);
	}
}

static void by_calls_beside(void **state)
{
	for (uint32_t strange = 0; strange < 2; strange++) {
		struct scene x = scene_new(1);

		(void)state;
		open_conn(&x, 0, 1, S);
		open_conn(&x, 0, 2, S);
		session(&x, 0, 3, 2, S);
		session(&x, 0, 4, 1, S);
		beside(&x, 0, 3, 1, 0);
		beside(&x, 0, 4, 2 - strange, 0);
		beside(&x, 0, 3, 1, 1);
		beside(&x, 0, 4, 2, 1);
		run(&x);
		assert_int_equal(carrier(&x, 0, 3), 1);
		assert_int_equal(carrier(&x, 0, 4), strange ? 0 : 2);
		end(&x);
	}
}

static const struct link *session_link(const struct scene *x, uint32_t process, uint32_t conn)
{
	return &x->links.links[x->links.of_view[view(x, process, conn) - x->conns.views]];
}

/* Ends are joined by the random, also where the sockets below are not each other's (a relay is between). */
static void joined(void **state)
{
	struct scene x = scene_new(4);
	const struct link *l;

	(void)state;
	session(&x, 0, 1, 0, C);
	move(&x, 0, RECORD_OUT, 1, 0, 10);
	session(&x, 1, 1, 0, S);
	move(&x, 1, RECORD_IN, 1, 0, 4);
	session(&x, 2, 1, 0, S); /* a child goes on with it */
	move(&x, 2, RECORD_IN, 1, 4, 6);
	session(&x, 3, 1, 1, S);
	run(&x);
	l = session_link(&x, 0, 1);
	assert_ptr_equal(l, session_link(&x, 1, 1));
	assert_ptr_equal(l, session_link(&x, 2, 1));
	assert_ptr_not_equal(l, session_link(&x, 3, 1));
	assert_int_equal(l->join, JOIN_TLS);
	assert_int_equal(l->bytes_joined[LINK_CLIENT], 10);
	assert_true(l->plain);
	end(&x);
}

/* The cid is the same from either end alone, and as README.md says. */
static void cid(void **state)
{
	uint64_t keys[3];

	(void)state;
	for (int ends = 1; ends < 4; ends++) {
		struct scene x = scene_new(2);

		if (ends & 1)
			session(&x, 0, 1, 0, C);
		if (ends & 2)
			session(&x, 1, 7, 0, S);
		run(&x);
		assert_int_equal(x.links.link_count, 1);
		keys[ends - 1] = pair_cid(x.links.links[0].key, LINK_CLIENT, 5);
		end(&x);
	}
	assert_true(keys[0] == keys[1] && keys[1] == keys[2]);
}

/* The same random, other bytes: something is wrong, and nothing is joined. */
static void bytes_differ(void **state)
{
	struct scene x = scene_new(2);

	(void)state;
	session(&x, 0, 1, 0, C);
	story_move(x.s, RECORD_OUT, 0, 1, 0, "hello", 5, 0, 2000, 2010);
	session(&x, 1, 1, 0, S);
	story_move(x.s, RECORD_IN, 1, 1, 0, "help!", 5, 0, 2020, 2030);
	run(&x);
	assert_ptr_not_equal(session_link(&x, 0, 1), session_link(&x, 1, 1));
	end(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(by_hello),
	    cmocka_unit_test(after_a_question),
	    cmocka_unit_test(both_ends_here),
	    cmocka_unit_test(by_calls_inside),
	    cmocka_unit_test(by_calls_beside),
	    cmocka_unit_test(joined),
	    cmocka_unit_test(cid),
	    cmocka_unit_test(bytes_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
