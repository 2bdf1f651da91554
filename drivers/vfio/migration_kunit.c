// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the migration state machine.
 *
 * The model is what <uapi/linux/vfio.h> says, taken at its word: the arcs, and
 * a search through every way along them for the shortest that is legal.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#include <kunit/test.h>
#include <linux/bits.h>
#include <linux/limits.h>
#include <linux/string.h>
#include <linux/vfio.h>

#define NR		VFIO_DEVICE_STATE_NR
#define ALL_FLAGS	(VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_P2P | \
			 VFIO_MIGRATION_PRE_COPY)

#define ERROR		VFIO_DEVICE_STATE_ERROR
#define STOP		VFIO_DEVICE_STATE_STOP
#define RUNNING		VFIO_DEVICE_STATE_RUNNING
#define STOP_COPY	VFIO_DEVICE_STATE_STOP_COPY
#define RESUMING	VFIO_DEVICE_STATE_RESUMING
#define RUNNING_P2P	VFIO_DEVICE_STATE_RUNNING_P2P
#define PRE_COPY	VFIO_DEVICE_STATE_PRE_COPY
#define PRE_COPY_P2P	VFIO_DEVICE_STATE_PRE_COPY_P2P

/* Bit t of arcs[f] is set if there is an arc from f to t. */
static const u8 arcs[NR] = {
	[RUNNING] = BIT(RUNNING_P2P) | BIT(PRE_COPY),
	[RUNNING_P2P] = BIT(RUNNING) | BIT(STOP) | BIT(PRE_COPY_P2P),
	[STOP] = BIT(RUNNING_P2P) | BIT(STOP_COPY) | BIT(RESUMING),
	[STOP_COPY] = BIT(STOP),
	[RESUMING] = BIT(STOP),
	[PRE_COPY] = BIT(RUNNING) | BIT(PRE_COPY_P2P),
	[PRE_COPY_P2P] = BIT(RUNNING_P2P) | BIT(PRE_COPY) | BIT(STOP_COPY),
};

static const u8 saving = BIT(PRE_COPY) | BIT(PRE_COPY_P2P) | BIT(STOP_COPY);

/* A way through the states, both ends included. */
struct way {
	int length;
	u8 state[NR];
};

struct search {
	struct way now, best;
	/* How many different ways are as short as the best. */
	int ties;
};

/*
 * Saving states may not be passed through; but within the saving group a
 * session just goes on, and may not be ended and begun anew on the way.
 */
static bool way_is_legal(const struct way *way)
{
	u8 first = way->state[0], last = way->state[way->length - 1];
	bool session_goes_on = BIT(first) & saving && BIT(last) & saving;
	int i;

	for (i = 1; i < way->length - 1; i++)
		if (session_goes_on != !!(BIT(way->state[i]) & saving))
			return false;
	return true;
}

static void search_found(struct search *s)
{
	if (!way_is_legal(&s->now))
		return;
	if (!s->best.length || s->now.length < s->best.length) {
		s->best = s->now;
		s->ties = 0;
	} else if (s->now.length == s->best.length) {
		s->ties++;
	}
}

/* Try everything that does not visit a state twice. */
static void search_from(struct search *s, u8 at, u8 to, u8 visited)
{
	u8 next;

	s->now.state[s->now.length++] = at;
	if (at == to)
		search_found(s);
	else
		for (next = 0; next < NR; next++)
			if (arcs[at] & BIT(next) & ~visited)
				search_from(s, next, to, visited | BIT(next));
	s->now.length--;
}

static bool model_has_state(unsigned int flags, u8 state)
{
	bool p2p = flags & VFIO_MIGRATION_P2P;
	bool pre = flags & VFIO_MIGRATION_PRE_COPY;

	if (state == ERROR || !(flags & VFIO_MIGRATION_STOP_COPY))
		return false;
	if (state == RUNNING_P2P)
		return p2p;
	if (state == PRE_COPY)
		return pre;
	if (state == PRE_COPY_P2P)
		return p2p && pre;
	return true;
}

/* The state that follows @from on the way to @to, ERROR if there is no way. */
static u8 model_next(struct kunit *test, unsigned int flags, u8 from, u8 to)
{
	struct search s = {};
	int i;

	if (!model_has_state(flags, from) || !model_has_state(flags, to))
		return ERROR;
	if (from == to)
		return to;

	search_from(&s, from, to, BIT(from));
	if (!s.best.length)
		return ERROR;
	KUNIT_EXPECT_EQ_MSG(test, s.ties, 0, "from %u to %u", from, to);

	for (i = 1; i < s.best.length; i++)
		if (model_has_state(flags, s.best.state[i]))
			return s.best.state[i];
	return ERROR;
}

static int next_state(struct kunit *test, unsigned int flags, u32 from, u32 to,
		      enum vfio_device_mig_state *next)
{
	struct vfio_device *device = test->priv;

	device->migration_flags = flags;
	return vfio_mig_get_next_state(device, from, to, next);
}

static void steps_match_model(struct kunit *test)
{
	enum vfio_device_mig_state next;
	unsigned int flags;
	u8 from, to, want;
	int rc;

	for (flags = 0; flags <= ALL_FLAGS; flags++)
		for (from = 0; from < NR; from++)
			for (to = 0; to < NR; to++) {
				want = model_next(test, flags, from, to);
				rc = next_state(test, flags, from, to, &next);
				KUNIT_EXPECT_EQ_MSG(test, rc, want == ERROR ? -EINVAL : 0,
						    "flags %u, from %u to %u", flags, from, to);
				KUNIT_EXPECT_EQ_MSG(test, next, want,
						    "flags %u, from %u to %u", flags, from, to);
			}
}

static void every_way_arrives(struct kunit *test)
{
	enum vfio_device_mig_state at, next;
	unsigned int flags;
	u8 from, to;
	int steps;

	for (flags = 0; flags <= ALL_FLAGS; flags++)
		for (from = 0; from < NR; from++)
			for (to = 0; to < NR; to++) {
				if (next_state(test, flags, from, to, &next))
					continue;
				at = next;
				for (steps = 1; at != to && steps < NR; steps++) {
					KUNIT_ASSERT_EQ(test, 0,
							next_state(test, flags, at, to, &next));
					at = next;
				}
				KUNIT_EXPECT_EQ(test, (u8)at, to);
			}
}

/* What a user can write into device_state. */
static void odd_numbers_are_refused(struct kunit *test)
{
	static const u32 odd[] = { ERROR, NR, NR + 1, 255, 256, INT_MAX,
				   (u32)INT_MAX + 1, U32_MAX };
	enum vfio_device_mig_state next;
	int i;

	for (i = 0; i < ARRAY_SIZE(odd); i++) {
		KUNIT_EXPECT_EQ(test, -EINVAL,
				next_state(test, ALL_FLAGS, RUNNING, odd[i], &next));
		KUNIT_EXPECT_EQ(test, next, ERROR);
		KUNIT_EXPECT_EQ(test, -EINVAL,
				next_state(test, ALL_FLAGS, odd[i], RUNNING, &next));
		KUNIT_EXPECT_EQ(test, -EINVAL,
				next_state(test, ALL_FLAGS, odd[i], odd[i], &next));
	}
}

/* A few that the prose of the uAPI names, so that model and code cannot err alike. */
static void named_steps(struct kunit *test)
{
	static const struct {
		unsigned int flags;
		u8 from, to, want;
	} steps[] = {
		{ ALL_FLAGS, RUNNING, STOP, RUNNING_P2P },
		{ ALL_FLAGS, STOP, RUNNING, RUNNING_P2P },
		{ ALL_FLAGS, RUNNING, STOP_COPY, RUNNING_P2P },
		{ ALL_FLAGS, PRE_COPY, STOP_COPY, PRE_COPY_P2P },
		{ ALL_FLAGS, PRE_COPY, RUNNING_P2P, RUNNING },
		{ ALL_FLAGS, PRE_COPY_P2P, STOP, RUNNING_P2P },
		{ ALL_FLAGS, STOP_COPY, RESUMING, STOP },
		{ ALL_FLAGS, STOP_COPY, PRE_COPY, ERROR },
		{ ALL_FLAGS, STOP_COPY, PRE_COPY_P2P, ERROR },
		{ ALL_FLAGS & ~VFIO_MIGRATION_P2P, PRE_COPY, STOP_COPY, STOP_COPY },
		{ VFIO_MIGRATION_STOP_COPY, RUNNING, STOP_COPY, STOP },
		{ VFIO_MIGRATION_STOP_COPY, RESUMING, RUNNING, STOP },
		{ VFIO_MIGRATION_STOP_COPY, STOP, RUNNING, RUNNING },
	};
	enum vfio_device_mig_state next;
	int i;

	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		next_state(test, steps[i].flags, steps[i].from, steps[i].to,
			   &next);
		KUNIT_EXPECT_EQ_MSG(test, next, steps[i].want, "step %d", i);
	}
}

static int migration_init(struct kunit *test)
{
	test->priv = kunit_kzalloc(test, sizeof(struct vfio_device),
				   GFP_KERNEL);
	return test->priv ? 0 : -ENOMEM;
}

static struct kunit_case migration_cases[] = {
	KUNIT_CASE(steps_match_model),
	KUNIT_CASE(every_way_arrives),
	KUNIT_CASE(odd_numbers_are_refused),
	KUNIT_CASE(named_steps),
	{}
};

static struct kunit_suite migration_suite = {
	.name = "vfio_migration",
	.init = migration_init,
	.test_cases = migration_cases,
};

kunit_test_suite(migration_suite);
