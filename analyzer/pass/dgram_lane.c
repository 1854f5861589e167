// SPDX-License-Identifier: Apache-2.0
/*
 * dgram_lane.c - see dgram_lane.h. Analyzer, one thread; pure but for memory.
 *
 * Invariant: groups are tied by addresses where these say enough, and by bytes only where they say nothing.
 * What a search looks at is bounded, so that a network where everybody talks from one port to the same port
 * costs no square.
 */
#include "analyzer/pass/dgram_lane.h"

#include "analyzer/pass/dgram_twin.h"

#define LOOKS 64u /* at most so many groups are looked at one by one */

/* Of bytes alone: what must speak for two groups, and how much less for any other. */
#define BITS_LEAST  40u
#define BITS_MARGIN 20u

/* A group of sends, as receives look for it. */
struct place {
	struct address to; /* without its port; one value for all addresses of many */
	uint32_t scope;	   /* of the sender */
	uint16_t to_port, from_port;
	uint32_t group;
};

struct tie {
	uint32_t out, in; /* groups */
	bool many;
};

struct laying {
	const struct dgram_ends *ends;
	const struct dgram_own *own;
	VEC(struct place) by_ports;   /* by ports, scope, address */
	VEC(struct place) by_address; /* by port and address that were sent to */
	VEC(struct tie) ties;
	size_t spent, budget; /* places looked at: hostile dumps could make it a square */
	uint32_t *root;	      /* by group, of its lane */
	uint32_t *bits;	      /* by group: of payload */
	bool *tied, *weak;    /* by group */
};

static const struct address many = {.family = UINT8_MAX};

/* ---- places ---- */

static int ports_compare(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	int sign;

	if (x->to_port != y->to_port)
		return vec_compare(x->to_port, y->to_port);
	if (x->from_port != y->from_port)
		return vec_compare(x->from_port, y->from_port);
	if (x->scope != y->scope)
		return vec_compare(x->scope, y->scope);
	sign = dgram_address_compare(&x->to, &y->to);
	return sign ? sign : vec_compare(x->group, y->group);
}

static int place_compare(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	int sign;

	if (x->to_port != y->to_port)
		return vec_compare(x->to_port, y->to_port);
	sign = dgram_address_compare(&x->to, &y->to);
	return sign ? sign : vec_compare(x->group, y->group);
}

static const struct dgram_view *view_of(const struct laying *l, uint32_t group)
{
	return &l->ends->views.items[l->ends->groups.items[group].view];
}

static int place_all(struct laying *l)
{
	int err = 0;

	for (uint32_t i = 0; i < l->ends->groups.count && !err; i++) {
		const struct dgram_group *g = &l->ends->groups.items[i];
		const struct dgram_view *v = view_of(l, i);
		struct place p = {.to = g->other, .scope = v->scope, .group = i};

		if (g->side != DGRAM_SENDER || !g->other.family)
			continue;
		p.to_port = g->other.port;
		p.from_port = v->local.port;
		p.to.port = 0;
		if (g->other.family != ENDPOINT_UNIX && dgram_is_many(&g->other))
			p.to = many;
		err = vec_push(&l->by_address, p);
		if (!err && v->local.family && g->other.family != ENDPOINT_UNIX)
			err = vec_push(&l->by_ports, p);
	}
	vec_sort(&l->by_ports, ports_compare);
	vec_sort(&l->by_address, place_compare);
	return err;
}

/* The first place that is not before `wanted`. */
static uint32_t place_from(const struct place *places, size_t n, const struct place *wanted,
			   int (*compare)(const void *, const void *))
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare(&places[middle], wanted) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return (uint32_t)low;
}

/* ---- what fits by address ---- */

bool dgram_takes(const struct dgram_own *own, const struct dgram_view *socket, uint32_t sender_scope,
		 const struct address *to)
{
	bool any = dgram_is_any(&socket->local);

	if (!socket->local.family || socket->local.port != to->port)
		return false;
	if (dgram_is_loopback(to) && socket->scope != sender_scope)
		return false;
	/* a socket of IPv6 may take IPv4, not the other way round */
	if (any && socket->local.family == ENDPOINT_IPV4 && to->family != ENDPOINT_IPV4)
		return false;
	if (!any)
		return socket->local.family == to->family &&
		       (memcmp(socket->local.addr, to->addr, sizeof(to->addr)) == 0 || dgram_is_many(to));
	return dgram_is_many(to) || dgram_own_has(own, socket->scope, to);
}

/* Whether so many more may be looked at. */
static bool may_look(struct laying *l, size_t more)
{
	l->spent += more;
	return l->spent <= l->budget;
}

static int tie(struct laying *l, uint32_t out, uint32_t in, bool weak)
{
	const struct address *to = &l->ends->groups.items[out].other;
	struct tie t = {out, in, to->family != ENDPOINT_UNIX && dgram_is_many(to)};

	l->tied[out] = l->tied[in] = true;
	if (weak)
		l->weak[out] = l->weak[in] = true;
	return vec_push(&l->ties, t);
}

/* Whether a place takes part: all but what was translated on the way must agree. */
static bool fits(const struct laying *l, const struct place *p, uint32_t in, bool weak)
{
	const struct dgram_view *r = view_of(l, in),
				*s = &l->ends->views.items[l->ends->groups.items[p->group].view];
	const struct address *to = &l->ends->groups.items[p->group].other;
	const struct address *from = &l->ends->groups.items[in].other;

	if (!weak)
		return dgram_takes(l->own, r, s->scope, to) &&
		       (!from->family || dgram_is_any(&s->local) ||
			memcmp(s->local.addr, from->addr, sizeof(from->addr)) == 0);
	/* the address that was sent to, or the one it came from, is nobody's */
	return (!l->tied[p->group] || l->weak[p->group]) && r->local.port == to->port &&
	       !dgram_is_loopback(to) && !dgram_is_many(to) &&
	       (!dgram_own_known(l->own, to) || dgram_takes(l->own, r, s->scope, to));
}

static bool same_ports(const struct place *p, uint16_t to_port, uint16_t from_port)
{
	return p->to_port == to_port && p->from_port == from_port;
}

#define ANY_SCOPE UINT32_MAX

/* What was sent between the ports of `in`, from one scope: the first of it, and whether it is too much to be
 * looked at one by one. */
static uint32_t find_scope(const struct laying *l, uint32_t in, uint32_t scope, bool *crowded)
{
	struct place wanted = {.to_port = view_of(l, in)->local.port,
			       .from_port = l->ends->groups.items[in].other.port,
			       .scope = scope == ANY_SCOPE ? 0 : scope};
	uint32_t first = place_from(l->by_ports.items, l->by_ports.count, &wanted, ports_compare);
	size_t last = (size_t)first + LOOKS;

	*crowded = last < l->by_ports.count &&
		   (scope == ANY_SCOPE || l->by_ports.items[last].scope == scope) &&
		   same_ports(&l->by_ports.items[last], wanted.to_port, wanted.from_port);
	return first;
}

/* Ties `in` to what was sent between its ports from one scope, or any. */
static int tie_scope(struct laying *l, uint32_t in, uint32_t scope, bool weak)
{
	uint16_t to = view_of(l, in)->local.port, from = l->ends->groups.items[in].other.port;
	bool crowded;
	uint32_t first = find_scope(l, in, scope, &crowded);
	int err = 0;

	for (uint32_t i = first; !crowded && i < l->by_ports.count && !err; i++) {
		const struct place *p = &l->by_ports.items[i];

		if (!same_ports(p, to, from) || (scope != ANY_SCOPE && p->scope != scope))
			break;
		if (fits(l, p, in, weak))
			err = tie(l, p->group, in, weak);
	}
	return err;
}

/* The same where a scope sends to more addresses than are looked at: by those that the receiver has. */
static int tie_address(struct laying *l, uint32_t in, uint32_t scope, const struct address *to)
{
	uint16_t to_port = view_of(l, in)->local.port, from = l->ends->groups.items[in].other.port;
	struct place wanted = {.to = *to, .to_port = to_port, .from_port = from, .scope = scope};
	uint32_t first;
	int err = 0;

	wanted.to.port = 0;
	first = place_from(l->by_ports.items, l->by_ports.count, &wanted, ports_compare);
	for (uint32_t i = first; i < l->by_ports.count && !err && may_look(l, 1); i++) {
		const struct place *p = &l->by_ports.items[i];

		if (!same_ports(p, to_port, from) || p->scope != scope ||
		    dgram_address_compare(&p->to, &wanted.to) != 0)
			break;
		if (fits(l, p, in, false))
			err = tie(l, p->group, in, false);
	}
	return err;
}

static int tie_crowd(struct laying *l, uint32_t in, uint32_t scope)
{
	const struct dgram_view *r = view_of(l, in);
	const struct dgram_owned *owned;
	uint32_t n;
	int err = tie_address(l, in, scope, &many);

	if (!dgram_is_any(&r->local))
		return err ? err : tie_address(l, in, scope, &r->local);
	owned = dgram_own_of(l->own, r->scope, &n);
	for (uint32_t i = 0; i < n && !err && may_look(l, 1); i++)
		err = tie_address(l, in, scope, &owned[i].address);
	return err;
}

/* A socket that did not ask, or took from a unix socket: who sent to its address? */
static int tie_to(struct laying *l, uint32_t in, const struct address *to)
{
	struct place wanted = {.to = *to, .to_port = to->port};
	uint32_t first;
	int err = 0;

	wanted.to.port = 0;
	first = place_from(l->by_address.items, l->by_address.count, &wanted, place_compare);
	for (uint32_t i = first; i < l->by_address.count && !err && may_look(l, 1); i++) {
		const struct place *p = &l->by_address.items[i];

		if (p->to_port != wanted.to_port || dgram_address_compare(&p->to, &wanted.to) != 0)
			break;
		if (to->family == ENDPOINT_UNIX || fits(l, p, in, false))
			err = tie(l, p->group, in, false);
	}
	return err;
}

static int tie_unknown(struct laying *l, uint32_t in)
{
	const struct dgram_view *r = view_of(l, in);
	const struct dgram_owned *owned;
	struct address to = r->local;
	uint32_t n;
	int err;

	if (!dgram_is_any(&to)) {
		err = tie_to(l, in, &to);
		to = many;
		to.port = r->local.port;
		return err ? err : tie_to(l, in, &to);
	}
	to = (struct address){
	    .family = ENDPOINT_IPV4, .port = r->local.port, .scope = r->scope + 1, .addr = {127, [3] = 1}};
	err = tie_to(l, in, &to);
	to = (struct address){
	    .family = ENDPOINT_IPV6, .port = r->local.port, .scope = r->scope + 1, .addr = {[15] = 1}};
	err = err ? err : tie_to(l, in, &to);
	to = many;
	to.port = r->local.port;
	err = err ? err : tie_to(l, in, &to);
	owned = dgram_own_of(l->own, r->scope, &n);
	for (uint32_t i = 0; i < n && !err && may_look(l, 1); i++) {
		to = owned[i].address;
		to.port = r->local.port;
		err = tie_to(l, in, &to);
	}
	return err;
}

static int tie_unix(struct laying *l, uint32_t in)
{
	const struct dgram_view *r = view_of(l, in);
	struct address to = {.family = ENDPOINT_UNIX, .scope = r->scope + 1};
	int err = 0;

	if (r->inode) {
		to.port = DGRAM_UNIX_INODE;
		memcpy(to.addr, &r->inode, sizeof(r->inode));
		err = tie_to(l, in, &to);
	}
	/* the path of one that is connected is its other end's */
	if (!err && r->path && !r->connected) {
		to.port = DGRAM_UNIX_PATH;
		memcpy(to.addr, &r->path, sizeof(r->path));
		err = tie_to(l, in, &to);
	}
	return err;
}

/* Who has the address that it came from; nobody: somebody has another one inside. */
static int tie_known(struct laying *l, uint32_t in, bool weak)
{
	const struct address *from = &l->ends->groups.items[in].other;
	const struct dgram_owned *owners;
	bool crowded;
	uint32_t n;
	int err = 0;

	if (dgram_is_loopback(from))
		return tie_scope(l, in, view_of(l, in)->scope, weak);
	owners = dgram_owners(l->own, from, &n);
	for (uint32_t i = 0; i < n && !err && may_look(l, 1); i++) {
		find_scope(l, in, owners[i].scope, &crowded);
		err = crowded && !weak ? tie_crowd(l, in, owners[i].scope)
				       : tie_scope(l, in, owners[i].scope, weak);
	}
	return weak && !n && !err ? tie_scope(l, in, ANY_SCOPE, true) : err;
}

static int tie_addresses(struct laying *l)
{
	int err = 0;

	for (uint32_t i = 0; i < l->ends->groups.count && !err; i++) {
		const struct dgram_group *g = &l->ends->groups.items[i];

		if (g->side != DGRAM_RECEIVER)
			continue;
		if (view_of(l, i)->family == ENDPOINT_UNIX)
			err = tie_unix(l, i);
		else if (view_of(l, i)->local.family)
			err = g->other.family ? tie_known(l, i, false) : tie_unknown(l, i);
	}
	for (uint32_t i = 0; i < l->ends->groups.count && !err; i++) {
		const struct dgram_group *g = &l->ends->groups.items[i];

		if (g->side == DGRAM_RECEIVER && !l->tied[i] && g->other.family &&
		    view_of(l, i)->local.family)
			err = tie_known(l, i, true);
	}
	return err;
}

/* ---- what fits by bytes alone ---- */

struct vote {
	uint32_t out, in, bits;
};

static int by_in(const void *a, const void *b)
{
	const struct vote *x = a, *y = b;

	if (x->in != y->in)
		return vec_compare(x->in, y->in);
	return vec_compare(x->out, y->out);
}

static int by_out(const void *a, const void *b)
{
	const struct vote *x = a, *y = b;

	if (x->out != y->out)
		return vec_compare(x->out, y->out);
	return vec_compare(x->in, y->in);
}

static size_t merge_votes(struct vote *votes, size_t n)
{
	size_t kept = 0;

	if (n > 1)
		qsort(votes, n, sizeof(*votes), by_in);
	for (size_t i = 0; i < n; i++) {
		if (!kept || by_in(&votes[kept - 1], &votes[i]) != 0)
			votes[kept++] = votes[i];
		else if (votes[kept - 1].bits < UINT32_MAX / 2)
			votes[kept - 1].bits += votes[i].bits;
	}
	return kept;
}

/* Of the votes of each group on one side, keeps the one that is far enough ahead of the others. */
static size_t keep_best(struct vote *votes, size_t n, enum dgram_side side)
{
	size_t kept = 0;

	if (n > 1)
		qsort(votes, n, sizeof(*votes), side == DGRAM_SENDER ? by_out : by_in);
	for (size_t first = 0, next; first < n; first = next) {
		uint32_t best = 0, second = 0;
		size_t at = first;

		for (next = first; next < n; next++) {
			if (side == DGRAM_SENDER ? votes[next].out != votes[first].out
						 : votes[next].in != votes[first].in)
				break;
			if (votes[next].bits > best) {
				second = best;
				best = votes[next].bits;
				at = next;
			} else if (votes[next].bits > second) {
				second = votes[next].bits;
			}
		}
		if (best >= BITS_LEAST && best - second >= BITS_MARGIN)
			votes[kept++] = votes[at];
	}
	return kept;
}

static int tie_payloads(struct laying *l)
{
	bool *wanted = calloc(l->ends->groups.count + 1, sizeof(*wanted));
	struct dgram_twins found = {0};
	VEC(struct vote) votes = {0};
	size_t n;
	int err = wanted ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < l->ends->groups.count; i++)
		wanted[i] = !l->tied[i];
	if (!err)
		err = dgram_twins_find(l->ends, wanted, &found);
	for (size_t i = 0; i < found.twins.count && !err; i++)
		err = vec_push(&votes, (struct vote){l->ends->items.items[found.twins.items[i].out].group,
						     l->ends->items.items[found.twins.items[i].in].group,
						     found.twins.items[i].bits});
	n = merge_votes(votes.items, votes.count);
	/* both must be best for each other: what a runner-up on either side is near to is left */
	n = keep_best(votes.items, n, DGRAM_RECEIVER);
	n = keep_best(votes.items, n, DGRAM_SENDER);
	for (size_t i = 0; i < n && !err; i++) {
		l->bits[votes.items[i].in] = votes.items[i].bits;
		err = tie(l, votes.items[i].out, votes.items[i].in, true);
	}
	vec_free(&votes);
	vec_free(&found.twins);
	free(wanted);
	return err;
}

/* ---- lanes ---- */

static uint32_t root_of(struct laying *l, uint32_t group)
{
	while (l->root[group] != group) {
		l->root[group] = l->root[l->root[group]];
		group = l->root[group];
	}
	return group;
}

static int member_compare(const void *a, const void *b)
{
	const struct dgram_member *x = a, *y = b;

	if (x->lane != y->lane)
		return vec_compare(x->lane, y->lane);
	return vec_compare(x->group, y->group);
}

static int add_members(struct laying *l, struct dgram_lanes *out)
{
	int err = 0;

	for (size_t i = 0; i < l->ties.count; i++) {
		const struct tie *t = &l->ties.items[i];
		uint32_t a = root_of(l, t->out), b = root_of(l, t->in);

		if (!t->many && a != b)
			l->root[a > b ? a : b] = a > b ? b : a;
	}
	for (size_t i = 0; i < l->ties.count && !err; i++) {
		const struct tie *t = &l->ties.items[i];
		uint32_t lane = root_of(l, t->in);

		err = vec_push(&out->members, (struct dgram_member){lane, t->out});
		if (!err)
			err = vec_push(&out->members, (struct dgram_member){lane, t->in});
	}
	vec_sort(&out->members, member_compare);
	return err;
}

static void merge_members(struct dgram_lanes *out)
{
	size_t kept = 0;

	for (size_t i = 0; i < out->members.count; i++)
		if (!kept || member_compare(&out->members.items[kept - 1], &out->members.items[i]) != 0)
			out->members.items[kept++] = out->members.items[i];
	out->members.count = kept;
}

/* Numbers the lanes from 0. */
static int add_tracks(const struct laying *l, struct dgram_lanes *out)
{
	uint32_t last = UINT32_MAX;

	merge_members(out);
	for (uint32_t i = 0; i < out->members.count; i++) {
		struct dgram_member *m = &out->members.items[i];
		struct dgram_track *t;

		if (m->lane != last) {
			last = m->lane;
			if (vec_push(&out->tracks, (struct dgram_track){.first = i, .join = DGRAM_ADDRESS}))
				return -ENOMEM;
		}
		t = vec_last(&out->tracks);
		t->count++;
		t->weak |= l->weak[m->group];
		m->lane = (uint32_t)out->tracks.count - 1;
		if (l->bits[m->group]) {
			t->bits = l->bits[m->group];
			t->join = DGRAM_PAYLOAD;
		} else if (view_of(l, m->group)->family == ENDPOINT_UNIX && t->join == DGRAM_ADDRESS) {
			t->join = DGRAM_INODE;
		}
	}
	return 0;
}

int dgram_lanes_make(const struct dgram_ends *ends, const struct dgram_own *own, struct dgram_lanes *out)
{
	size_t n = ends->groups.count + 1;
	struct laying l = {.ends = ends,
			   .own = own,
			   .root = malloc(n * sizeof(*l.root)),
			   .bits = calloc(n, sizeof(*l.bits)),
			   .tied = calloc(n, sizeof(*l.tied)),
			   .weak = calloc(n, sizeof(*l.weak))};
	int err = l.root && l.bits && l.tied && l.weak ? 0 : -ENOMEM;

	l.budget = LOOKS * (n + own->by_address.count) + (1u << 20);

	*out = (struct dgram_lanes){0};
	for (uint32_t i = 0; !err && i < ends->groups.count; i++)
		l.root[i] = i;
	err = err ? err : place_all(&l);
	err = err ? err : tie_addresses(&l);
	err = err ? err : tie_payloads(&l);
	err = err ? err : add_members(&l, out);
	err = err ? err : add_tracks(&l, out);
	vec_free(&l.by_ports);
	vec_free(&l.by_address);
	vec_free(&l.ties);
	free(l.root);
	free(l.bits);
	free(l.tied);
	free(l.weak);
	return err;
}

void dgram_lanes_free(struct dgram_lanes *l)
{
	vec_free(&l->members);
	vec_free(&l->tracks);
}
