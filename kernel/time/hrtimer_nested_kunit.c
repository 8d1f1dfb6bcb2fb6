// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of hrtimers on nested clocks: alone, and many of them while their clock is
 * set, stopped and continued and processors go offline.
 */
#include <kunit/resource.h>
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/moduleparam.h>
#include <linux/prandom.h>
#include <linux/rcupdate.h>

#include "hrtimer_nested.h"
#include "tick-internal.h"

#define ONE		NESTED_CLOCK_RATE_ONE
#define HOUR		(3600LL * NSEC_PER_SEC)
#define FAR		(20LL * 365 * 24 * HOUR)

/* The debug kernels are there to run for long. */
#define IS_DEBUG_KERNEL	(IS_ENABLED(CONFIG_PROVE_LOCKING) || IS_ENABLED(CONFIG_KASAN) || \
			 IS_ENABLED(CONFIG_KCSAN))

static unsigned int rounds = IS_DEBUG_KERNEL ? 20 : 2;
module_param(rounds, uint, 0444);
MODULE_PARM_DESC(rounds, "how often many timers are armed, cancelled and waited for");

static unsigned int timers = IS_DEBUG_KERNEL ? 10000 : 2000;
module_param(timers, uint, 0444);
MODULE_PARM_DESC(timers, "how many of them");

static unsigned int stops = IS_DEBUG_KERNEL ? 100000 : 10000;
module_param(stops, uint, 0444);
MODULE_PARM_DESC(stops, "how often a clock is stopped or continued");

/* How long what is due may take on a busy machine, in units of 20 ms. */
#define PATIENCE	1500

struct test_timer {
	struct hrtimer		timer;
	struct nested_clock	*clock;
	struct completion	fired;
	int			*order;
	int			place;
	ktime_t			early;
};

static enum hrtimer_restart test_timer_function(struct hrtimer *timer)
{
	struct test_timer *t = container_of(timer, struct test_timer, timer);

	if (t->clock)
		t->early = hrtimer_get_softexpires(timer) - nested_clock_read(t->clock);
	if (t->order)
		t->place = ++*t->order;
	complete(&t->fired);
	return HRTIMER_NORESTART;
}

KUNIT_DEFINE_ACTION_WRAPPER(put_clock, nested_clock_put, struct nested_clock *);

/* Reads the time since boot plus @value. */
static struct nested_clock *make_clock(struct kunit *test, s64 value)
{
	struct nested_formula formula = {
		.anchor = HRTIMER_BASE_BOOTTIME,
		.nr = 1,
		.segment = { { .value = value, .rate = ONE } },
	};
	struct nested_clock *clock = nested_clock_create(CLOCK_BOOTTIME, &formula);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, clock);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, put_clock, clock), 0);
	return clock;
}

static void cancel_timer(void *timer)
{
	hrtimer_cancel(timer);
}

static struct test_timer *make_timer(struct kunit *test, struct nested_clock *clock)
{
	struct test_timer *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, t);
	init_completion(&t->fired);
	hrtimer_init(&t->timer, CLOCK_MONOTONIC, HRTIMER_MODE_ABS);
	t->timer.function = test_timer_function;
	if (clock) {
		t->clock = clock;
		hrtimer_nest(&t->timer, clock);
	}
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, cancel_timer, &t->timer), 0);
	return t;
}

static void start_in(struct test_timer *t, s64 ns)
{
	hrtimer_start(&t->timer, nested_clock_read(t->clock) + ns, HRTIMER_MODE_ABS);
}

static bool fires(struct test_timer *t)
{
	return wait_for_completion_timeout(&t->fired, msecs_to_jiffies(20 * PATIENCE));
}

/* A copy of the proxy of the base that @t is in. */
static struct hrtimer proxy_of(const struct hrtimer *timer)
{
	struct nested_base *nested = container_of(timer->base, struct nested_base, base);

	guard(raw_spinlock_irqsave)(&nested->base.cpu_base->lock);
	return nested->proxy;
}

static void a_timer_expires_when_its_clock_is_there(struct kunit *test)
{
	static const s64 values[] = { 0, FAR, -NSEC_PER_MSEC };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(values); i++) {
		struct nested_clock *clock = make_clock(test, values[i]);
		struct test_timer *t = make_timer(test, clock);

		start_in(t, NSEC_PER_MSEC);
		KUNIT_EXPECT_TRUE(test, fires(t));
		KUNIT_EXPECT_LE(test, t->early, 0);

		hrtimer_start(&t->timer, NSEC_PER_MSEC, HRTIMER_MODE_REL);
		KUNIT_EXPECT_TRUE(test, fires(t));
		KUNIT_EXPECT_LE(test, t->early, 0);
	}
}

static void a_timer_of_the_past_expires_at_once(struct kunit *test)
{
	struct nested_clock *clock = make_clock(test, FAR);
	struct test_timer *t = make_timer(test, clock);

	hrtimer_start(&t->timer, 0, HRTIMER_MODE_ABS);
	KUNIT_EXPECT_TRUE(test, fires(t));
	hrtimer_start(&t->timer, FAR, HRTIMER_MODE_ABS);
	KUNIT_EXPECT_TRUE(test, fires(t));
}

static void the_remaining_time_is_that_of_the_clock(struct kunit *test)
{
	struct nested_clock *clock = make_clock(test, FAR);
	struct test_timer *t = make_timer(test, clock);
	ktime_t remaining;

	hrtimer_start(&t->timer, FAR + FAR, HRTIMER_MODE_ABS);
	remaining = hrtimer_get_remaining(&t->timer);
	KUNIT_EXPECT_LE(test, remaining, FAR);
	KUNIT_EXPECT_GT(test, remaining, FAR - HOUR);
	nested_clock_step(clock, FAR / 2);
	KUNIT_EXPECT_LE(test, hrtimer_get_remaining(&t->timer), FAR / 2);
	KUNIT_EXPECT_EQ(test, hrtimer_cancel(&t->timer), 1);
}

static void an_endless_wait_is_not_queued_on_the_host(struct kunit *test)
{
	struct nested_clock *clock = make_clock(test, -NSEC_PER_MSEC);
	struct test_timer *t = make_timer(test, clock);

	hrtimer_start(&t->timer, KTIME_MAX, HRTIMER_MODE_ABS_PINNED);
	KUNIT_EXPECT_EQ(test, proxy_of(&t->timer).state, HRTIMER_STATE_INACTIVE);
	KUNIT_EXPECT_TRUE(test, hrtimer_active(&t->timer));
	KUNIT_EXPECT_FALSE(test, completion_done(&t->fired));
	KUNIT_EXPECT_EQ(test, hrtimer_cancel(&t->timer), 1);
	KUNIT_EXPECT_FALSE(test, hrtimer_active(&t->timer));
}

static void a_timer_waits_for_the_second_time_that_its_clock_reads_it(struct kunit *test)
{
	ktime_t now = ktime_get_boottime();
	struct nested_formula formula = {
		.anchor		= HRTIMER_BASE_BOOTTIME,
		.nr		= 2,
		.segment	= {
			{ .start = 0, .value = FAR, .rate = ONE },
			{ .start = now, .value = FAR + now - HOUR, .rate = ONE },
		},
	};
	struct nested_clock *clock = make_clock(test, 0);
	struct test_timer *t = make_timer(test, clock);

	KUNIT_ASSERT_EQ(test, nested_clock_set(clock, &formula), 0);
	/* It has read this a moment ago, and will again in an hour. */
	hrtimer_start(&t->timer, FAR + now - 1, HRTIMER_MODE_ABS);
	KUNIT_EXPECT_GT(test, proxy_of(&t->timer).node.expires, now + HOUR / 2);
	KUNIT_EXPECT_FALSE(test, completion_done(&t->fired));
	nested_clock_step(clock, HOUR);
	KUNIT_EXPECT_TRUE(test, fires(t));
	KUNIT_EXPECT_LE(test, t->early, 0);
}

static void a_clock_set_forward_expires_what_is_due(struct kunit *test)
{
	struct nested_clock *clock = make_clock(test, FAR);
	struct test_timer *t = make_timer(test, clock), *later = make_timer(test, clock);

	start_in(t, HOUR);
	start_in(later, 3 * HOUR);
	nested_clock_step(clock, 2 * HOUR);
	KUNIT_EXPECT_TRUE(test, fires(t));
	KUNIT_EXPECT_LE(test, t->early, 0);
	KUNIT_EXPECT_TRUE(test, hrtimer_active(&later->timer));
}

static void a_clock_set_back_delays_its_timers(struct kunit *test)
{
	struct nested_clock *clock = make_clock(test, FAR);
	struct test_timer *t = make_timer(test, clock), *host = make_timer(test, NULL);

	start_in(t, 100 * NSEC_PER_MSEC);
	nested_clock_step(clock, -HOUR);
	hrtimer_start(&host->timer, 200 * NSEC_PER_MSEC, HRTIMER_MODE_REL);
	KUNIT_EXPECT_TRUE(test, fires(host));
	KUNIT_EXPECT_TRUE(test, hrtimer_active(&t->timer) || t->early <= 0);
	nested_clock_step(clock, HOUR);
	KUNIT_EXPECT_TRUE(test, fires(t));
	KUNIT_EXPECT_LE(test, t->early, 0);
}

static void a_clock_may_change_its_anchor(struct kunit *test)
{
	struct nested_formula formula = { .nr = 1, .segment = { { .value = FAR, .rate = ONE } } };
	struct nested_clock *clock = make_clock(test, FAR);
	struct test_timer *t = make_timer(test, clock);

	for (formula.anchor = 0; formula.anchor <= HRTIMER_BASE_TAI; formula.anchor++) {
		hrtimer_start(&t->timer, KTIME_MAX / 2, HRTIMER_MODE_ABS);
		KUNIT_ASSERT_EQ(test, nested_clock_set(clock, &formula), 0);
		KUNIT_EXPECT_EQ(test, proxy_of(&t->timer).base->index, formula.anchor);
		KUNIT_EXPECT_EQ(test, hrtimer_cancel(&t->timer), 1);
		start_in(t, NSEC_PER_MSEC);
		KUNIT_EXPECT_TRUE(test, fires(t));
		KUNIT_EXPECT_LE(test, t->early, 0);
	}
	KUNIT_EXPECT_EQ(test, nested_clock_set(clock, &formula), -EINVAL);
}

static void nothing_expires_while_the_clock_is_stopped(struct kunit *test)
{
	struct nested_clock *clock = make_clock(test, FAR);
	struct test_timer *t = make_timer(test, clock), *host = make_timer(test, NULL);
	ktime_t stopped;

	nested_clock_change_rate(clock, 0);
	hrtimer_start(&host->timer, 2 * NESTED_CLOCK_LEAD_NS, HRTIMER_MODE_REL);
	KUNIT_EXPECT_TRUE(test, fires(host));
	stopped = nested_clock_read(clock);

	hrtimer_start(&t->timer, stopped + 1, HRTIMER_MODE_ABS_PINNED);
	KUNIT_EXPECT_EQ(test, proxy_of(&t->timer).state, HRTIMER_STATE_INACTIVE);
	hrtimer_start(&host->timer, 20 * NSEC_PER_MSEC, HRTIMER_MODE_REL);
	KUNIT_EXPECT_TRUE(test, fires(host));
	KUNIT_EXPECT_EQ(test, nested_clock_read(clock), stopped);
	KUNIT_EXPECT_FALSE(test, completion_done(&t->fired));

	nested_clock_change_rate(clock, ONE);
	KUNIT_EXPECT_TRUE(test, fires(t));
	KUNIT_EXPECT_LE(test, t->early, 0);
	KUNIT_EXPECT_LT(test, nested_clock_read(clock), stopped + HOUR);
}

static void a_queued_timer_parks_when_its_clock_is_stopped(struct kunit *test)
{
	struct nested_clock *clock = make_clock(test, FAR);
	struct test_timer *t = make_timer(test, clock);
	unsigned int i;

	start_in(t, 300 * NSEC_PER_MSEC);
	nested_clock_change_rate(clock, 0);
	/* Its proxy is not told, and stays until it is due. */
	for (i = 0; i < PATIENCE && proxy_of(&t->timer).state; i++)
		msleep(20);
	KUNIT_EXPECT_EQ(test, proxy_of(&t->timer).state, HRTIMER_STATE_INACTIVE);
	if (completion_done(&t->fired))
		kunit_skip(test, "the clock was not stopped in time");
	KUNIT_EXPECT_TRUE(test, hrtimer_active(&t->timer));
	nested_clock_change_rate(clock, ONE);
	KUNIT_EXPECT_TRUE(test, fires(t));
	KUNIT_EXPECT_LE(test, t->early, 0);
}

static int other_cpu(struct kunit *test)
{
	int cpu = cpumask_any_but(cpu_online_mask, raw_smp_processor_id());

	if (cpu >= nr_cpu_ids)
		kunit_skip(test, "needs two processors");
	return cpu;
}

struct start {
	struct test_timer *t;
	ktime_t expires;
};

static long start_pinned(void *data)
{
	struct start *start = data;

	hrtimer_start(&start->t->timer, start->expires, HRTIMER_MODE_ABS_PINNED);
	return 0;
}

static void start_on(int cpu, struct test_timer *t, ktime_t expires)
{
	struct start start = { t, expires };

	work_on_cpu(cpu, start_pinned, &start);
}

#define AGAIN	200

static enum hrtimer_restart again_function(struct hrtimer *timer)
{
	struct test_timer *t = container_of(timer, struct test_timer, timer);

	if (++t->place == AGAIN) {
		complete(&t->fired);
		return HRTIMER_NORESTART;
	}
	hrtimer_forward_now(timer, 1);
	return HRTIMER_RESTART;
}

static unsigned int interrupts_of(int cpu)
{
	/* It may be in one. */
	return data_race(per_cpu(hrtimer_bases, cpu).nr_events);
}

static void a_timer_that_starts_itself_again_lets_go_of_the_interrupt(struct kunit *test)
{
	struct nested_clock *clock = make_clock(test, FAR);
	struct test_timer *t = make_timer(test, clock);
	int cpu = other_cpu(test);
	unsigned int before = interrupts_of(cpu);

	t->timer.function = again_function;
	start_on(cpu, t, 0);
	KUNIT_EXPECT_TRUE(test, fires(t));
	/* An interrupt goes through the queues three times at most. */
	KUNIT_EXPECT_GE(test, interrupts_of(cpu) - before, AGAIN / 3);
}

static enum hrtimer_restart slow_function(struct hrtimer *timer)
{
	struct test_timer *t = container_of(timer, struct test_timer, timer);

	complete(&t->fired);
	mdelay(1);
	return HRTIMER_NORESTART;
}

/* As a sleeper that is woken while the interrupt is not yet out of the base. */
static void a_clock_may_go_while_its_last_timer_runs(struct kunit *test)
{
	struct nested_formula formula = {
		.anchor = HRTIMER_BASE_BOOTTIME, .nr = 1, .segment = { { .rate = ONE } },
	};
	int cpu = other_cpu(test);
	unsigned int i;

	for (i = 0; i < 50; i++) {
		struct nested_clock *clock = nested_clock_create(CLOCK_BOOTTIME, &formula);
		struct test_timer *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, clock);
		KUNIT_ASSERT_NOT_NULL(test, t);
		init_completion(&t->fired);
		hrtimer_init(&t->timer, CLOCK_MONOTONIC, HRTIMER_MODE_ABS);
		t->timer.function = slow_function;
		hrtimer_nest(&t->timer, clock);
		start_on(cpu, t, nested_clock_read(clock) + NSEC_PER_MSEC);
		KUNIT_EXPECT_TRUE(test, fires(t));
		nested_clock_put(clock);
		usleep_range(2000, 3000);
	}
	rcu_barrier();
	flush_workqueue(system_wq);
}

/*
 * Whether @t fires on @cpu in an interrupt before that of a later timer of the host.
 * In the same one the timer of the host would be first, because its base is.
 */
static bool fires_by_itself(struct kunit *test, int cpu, struct test_timer *t,
			    void (*make_due)(struct nested_clock *clock))
{
	struct test_timer *host = make_timer(test, NULL);
	int order = 0;

	t->order = &order;
	host->order = &order;
	start_on(cpu, host, ktime_get() + 400 * NSEC_PER_MSEC);
	/* Until the processor is idle and its tick has stopped. */
	msleep(50);
	make_due(t->clock);
	KUNIT_ASSERT_TRUE(test, fires(t));
	KUNIT_ASSERT_TRUE(test, fires(host));
	return t->place < host->place;
}

static void step_an_hour(struct nested_clock *clock)
{
	nested_clock_step(clock, HOUR);
}

/* A guest may be away for longer than all these times, but not always. */
#define TRIES	5

static void an_idle_processor_is_woken_when_the_clock_is_set(struct kunit *test)
{
	struct nested_clock *clock = make_clock(test, FAR);
	int cpu = other_cpu(test), i;

	for (i = 0; i < TRIES; i++) {
		struct test_timer *t = make_timer(test, clock);

		start_on(cpu, t, nested_clock_read(clock) + HOUR);
		if (fires_by_itself(test, cpu, t, step_an_hour))
			return;
	}
	KUNIT_FAIL(test, "never fired before another timer did");
}

static void continue_clock(struct nested_clock *clock)
{
	nested_clock_change_rate(clock, ONE);
}

static void an_idle_processor_is_woken_when_the_clock_is_continued(struct kunit *test)
{
	struct nested_clock *clock = make_clock(test, FAR);
	int cpu = other_cpu(test), i;

	for (i = 0; i < TRIES; i++) {
		struct test_timer *t = make_timer(test, clock);

		nested_clock_change_rate(clock, 0);
		usleep_range(1000, 2000);
		start_on(cpu, t, nested_clock_read(clock) + NSEC_PER_MSEC);
		if (fires_by_itself(test, cpu, t, continue_clock))
			return;
	}
	KUNIT_FAIL(test, "never fired before another timer did");
}

static int removable_cpu(struct kunit *test)
{
	int cpu = cpumask_last(cpu_online_mask);

	if (!IS_ENABLED(CONFIG_HOTPLUG_CPU) || !cpu)
		kunit_skip(test, "needs a processor that can go offline");
	return cpu;
}

static void timers_leave_a_processor_that_goes_offline(struct kunit *test)
{
	struct nested_clock *clock = make_clock(test, FAR);
	struct test_timer *t = make_timer(test, clock), *parked = make_timer(test, clock);
	int cpu = removable_cpu(test);

	start_on(cpu, t, nested_clock_read(clock) + HOUR);
	start_on(cpu, parked, KTIME_MAX);
	KUNIT_EXPECT_EQ(test, t->timer.base->cpu_base->cpu, cpu);
	KUNIT_ASSERT_EQ(test, remove_cpu(cpu), 0);
	KUNIT_EXPECT_NE(test, t->timer.base->cpu_base->cpu, cpu);
	KUNIT_EXPECT_NE(test, parked->timer.base->cpu_base->cpu, cpu);
	KUNIT_EXPECT_EQ(test, per_cpu_ptr(clock->bases, cpu)->proxy.state, HRTIMER_STATE_INACTIVE);
	nested_clock_step(clock, HOUR);
	KUNIT_EXPECT_TRUE(test, fires(t));
	KUNIT_ASSERT_EQ(test, add_cpu(cpu), 0);
	start_on(cpu, t, nested_clock_read(clock) + NSEC_PER_MSEC);
	KUNIT_EXPECT_TRUE(test, fires(t));
}

/*
 * The first timer of a clock on a processor, against a set. @at is where the two meet.
 */
struct meeting {
	struct nested_clock	*clock;
	struct test_timer	*t;
	atomic_t		at;
};

static void meet(struct meeting *meeting)
{
	atomic_inc(&meeting->at);
	while (atomic_read(&meeting->at) < 2)
		cpu_relax();
}

static int start_at_meeting(void *data)
{
	struct meeting *meeting = data;
	ktime_t expires = nested_clock_read(meeting->clock) + HOUR;

	meet(meeting);
	hrtimer_start(&meeting->t->timer, expires, HRTIMER_MODE_ABS_PINNED);
	return 0;
}

static void the_first_timer_on_a_processor_sees_a_set_or_is_seen(struct kunit *test)
{
	int cpu = other_cpu(test), i;

	WRITE_ONCE(nested_delay_us, 50);
	for (i = 0; i < (IS_DEBUG_KERNEL ? 400 : 60); i++) {
		struct meeting meeting = { .clock = make_clock(test, FAR) };
		struct task_struct *task;

		meeting.t = make_timer(test, meeting.clock);
		task = kthread_run_on_cpu(start_at_meeting, &meeting, cpu, "meeting/%u");
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task);
		meet(&meeting);
		nested_clock_step(meeting.clock, HOUR);
		if (!fires(meeting.t)) {
			KUNIT_FAIL(test, "lost in round %d", i);
			break;
		}
	}
	WRITE_ONCE(nested_delay_us, 0);
}

/* A timer of many. What its function writes is read when it is not active. */
struct storm_timer {
	struct hrtimer	timer;
	struct storm	*storm;
	unsigned int	armed;
	unsigned int	fired;
	unsigned int	cancelled;
	bool		replaced;
	ktime_t		early;
};

struct storm {
	struct nested_clock	*clock;
	struct storm_timer	*timers;
	unsigned int		nr;
	bool			set_back;
	bool			stop;
	ktime_t			late;
	struct completion	done;
	atomic_t		running;
	atomic_t		seed;
};

static enum hrtimer_restart storm_function(struct hrtimer *timer)
{
	struct storm_timer *t = container_of(timer, struct storm_timer, timer);
	ktime_t early = hrtimer_get_softexpires(timer) - nested_clock_read(t->storm->clock);

	/* Pairs with the grace period in storm_step() */
	smp_rmb();
	if (early > t->early && !READ_ONCE(t->storm->set_back))
		t->early = early;
	t->fired++;
	return HRTIMER_NORESTART;
}

/* Arms and cancels one of @step timers; nobody else touches these. */
static void storm_arm(struct storm *storm, unsigned int first, unsigned int step,
		      struct rnd_state *rnd)
{
	unsigned int i;

	for (i = first; i < storm->nr && !READ_ONCE(storm->stop); i += step) {
		struct storm_timer *t = &storm->timers[i];
		u32 bits = prandom_u32_state(rnd);
		s64 in = (s64)(bits % (20 * NSEC_PER_MSEC)) - NSEC_PER_MSEC;
		int ret = 0;

		switch (bits >> 30) {
		case 0:
			/* Whether it was queued is not known then. */
			t->replaced = true;
			break;
		case 1:
			ret = hrtimer_try_to_cancel(&t->timer);
			if (ret < 0)
				continue;
			break;
		default:
			ret = hrtimer_cancel(&t->timer);
		}
		t->cancelled += ret;
		if (bits & BIT(28))
			continue;
		t->armed++;
		hrtimer_start_range_ns(&t->timer, nested_clock_read(storm->clock) + in,
				       bits & BIT(27) ? 100 * NSEC_PER_USEC : 0,
				       bits & BIT(26) ? HRTIMER_MODE_ABS_PINNED : HRTIMER_MODE_ABS);
		cond_resched();
	}
}

#define STORM_THREADS	4

static int storm_arms(void *data)
{
	struct storm *storm = data;
	unsigned int me = atomic_inc_return(&storm->seed);
	struct rnd_state rnd;

	prandom_seed_state(&rnd, me);
	while (!READ_ONCE(storm->stop))
		storm_arm(storm, me % STORM_THREADS, STORM_THREADS, &rnd);
	if (atomic_dec_and_test(&storm->running))
		complete(&storm->done);
	return 0;
}

static void storm_start(struct kunit *test, struct storm *storm)
{
	unsigned int i;

	storm->stop = false;
	init_completion(&storm->done);
	atomic_set(&storm->running, STORM_THREADS);
	for (i = 0; i < STORM_THREADS; i++)
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, kthread_run(storm_arms, storm, "storm"));
}

/* Ends the storm and waits, without any help, until every timer has expired. */
static void storm_end(struct kunit *test, struct storm *storm)
{
	unsigned int i, wait = 0;

	WRITE_ONCE(storm->stop, true);
	wait_for_completion(&storm->done);
	for (i = 0; i < storm->nr; i++) {
		struct storm_timer *t = &storm->timers[i];

		while (hrtimer_active(&t->timer) && wait++ < PATIENCE)
			msleep(20);
		KUNIT_ASSERT_FALSE_MSG(test, hrtimer_active(&t->timer),
				       "lost on %u: at %lld, clock %lld, proxy %u at %lld",
				       t->timer.base->cpu_base->cpu, hrtimer_get_expires(&t->timer),
				       nested_clock_read(storm->clock), proxy_of(&t->timer).state,
				       proxy_of(&t->timer).node.expires);
		if (t->replaced)
			KUNIT_ASSERT_GE(test, t->armed, t->fired + t->cancelled);
		else
			KUNIT_ASSERT_EQ(test, t->armed, t->fired + t->cancelled);
		KUNIT_ASSERT_LE(test, t->early, storm->late);
	}
}

static void storm_free(void *data)
{
	struct storm *storm = data;
	unsigned int i;

	WRITE_ONCE(nested_delay_us, 0);
	for (i = 0; i < storm->nr; i++)
		hrtimer_cancel(&storm->timers[i].timer);
	kvfree(storm->timers);
}

static struct storm *storm_make(struct kunit *test, unsigned int nr)
{
	struct storm *storm = kunit_kzalloc(test, sizeof(*storm), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, storm);
	storm->clock = make_clock(test, FAR);
	storm->timers = kvcalloc(nr, sizeof(*storm->timers), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, storm->timers);
	storm->nr = nr;
	for (i = 0; i < nr; i++) {
		struct storm_timer *t = &storm->timers[i];

		t->storm = storm;
		hrtimer_init(&t->timer, CLOCK_MONOTONIC, HRTIMER_MODE_ABS);
		t->timer.function = storm_function;
		hrtimer_nest(&t->timer, storm->clock);
	}
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, storm_free, storm), 0);
	return storm;
}

/*
 * A timer that was found due before the clock was set back may read it afterwards. It
 * runs in the interrupt in which it was found, and so within the grace period.
 */
static void storm_step(struct storm *storm, s64 by)
{
	if (by < 0)
		WRITE_ONCE(storm->set_back, true);
	nested_clock_step(storm->clock, by);
	if (by < 0) {
		synchronize_rcu_expedited();
		WRITE_ONCE(storm->set_back, false);
	}
}

/* With interrupts off, as cgroups freeze and thaw. */
static void storm_change_rate(struct storm *storm, u64 rate)
{
	static DEFINE_SPINLOCK(lock);
	ktime_t from;

	guard(spinlock_irqsave)(&lock);
	from = nested_clock_change_rate(storm->clock, rate);
	/* Who was away for so long has let others read the time that did not come. */
	storm->late = max(storm->late, ktime_get_boottime() - from);
}

static void no_timer_is_early_or_lost_in_a_storm(struct kunit *test)
{
	struct storm *storm = storm_make(test, timers);
	struct rnd_state rnd;
	unsigned int round, i;

	prandom_seed_state(&rnd, 5);
	for (round = 0; round < rounds; round++) {
		WRITE_ONCE(nested_delay_us, round & 1 ? 20 : 0);
		storm_start(test, storm);
		for (i = 0; i < 10; i++) {
			u32 bits = prandom_u32_state(&rnd);

			if (round % 3 != 1)
				storm_change_rate(storm, bits & 1 ? 0 : ONE);
			storm_step(storm, (s64)(bits % (8 * NSEC_PER_MSEC)) - 4 * NSEC_PER_MSEC);
			usleep_range(1, 10000);
		}
		if (round % 3 != 1)
			storm_change_rate(storm, ONE);
		storm_end(test, storm);
	}
}

static void no_timer_is_lost_while_processors_come_and_go(struct kunit *test)
{
	struct storm *storm = storm_make(test, timers / 10);
	int cpu = removable_cpu(test);
	unsigned int round;

	for (round = 0; round < rounds; round++) {
		WRITE_ONCE(nested_delay_us, round & 1 ? 20 : 0);
		storm_start(test, storm);
		storm_step(storm, NSEC_PER_MSEC);
		KUNIT_EXPECT_EQ(test, remove_cpu(cpu), 0);
		storm_step(storm, -NSEC_PER_MSEC);
		KUNIT_EXPECT_EQ(test, add_cpu(cpu), 0);
		storm_end(test, storm);
	}
}

static void no_timer_is_early_or_lost_on_a_clock_that_is_often_stopped(struct kunit *test)
{
	struct storm *storm = storm_make(test, timers / 10);
	ktime_t started = ktime_get_boottime(), read = 0, back = 0;
	struct rnd_state rnd;
	unsigned int i;

	prandom_seed_state(&rnd, 6);
	storm_start(test, storm);
	for (i = 0; i < stops; i++) {
		ktime_t now;

		storm_change_rate(storm, i & 1 ? ONE : 0);
		if (i % 16 == 0)
			udelay(prandom_u32_state(&rnd) % 256);
		now = nested_clock_read(storm->clock);
		back = max(back, read - now);
		read = now;
		cond_resched();
	}
	storm_change_rate(storm, ONE);
	storm_end(test, storm);
	KUNIT_EXPECT_LE(test, back, storm->late);
	KUNIT_EXPECT_LT(test, nested_clock_read(storm->clock), FAR + ktime_get_boottime());
	kunit_info(test, "%u changes in %lld ms", stops,
		   div_s64(ktime_get_boottime() - started, NSEC_PER_MSEC));
}

static struct kunit_case hrtimer_nested_cases[] = {
	KUNIT_CASE(a_timer_expires_when_its_clock_is_there),
	KUNIT_CASE(a_timer_of_the_past_expires_at_once),
	KUNIT_CASE(the_remaining_time_is_that_of_the_clock),
	KUNIT_CASE(an_endless_wait_is_not_queued_on_the_host),
	KUNIT_CASE(a_timer_waits_for_the_second_time_that_its_clock_reads_it),
	KUNIT_CASE(a_clock_set_forward_expires_what_is_due),
	KUNIT_CASE(a_clock_set_back_delays_its_timers),
	KUNIT_CASE(a_clock_may_change_its_anchor),
	KUNIT_CASE(nothing_expires_while_the_clock_is_stopped),
	KUNIT_CASE(a_queued_timer_parks_when_its_clock_is_stopped),
	KUNIT_CASE(a_timer_that_starts_itself_again_lets_go_of_the_interrupt),
	KUNIT_CASE(a_clock_may_go_while_its_last_timer_runs),
	KUNIT_CASE(an_idle_processor_is_woken_when_the_clock_is_set),
	KUNIT_CASE(an_idle_processor_is_woken_when_the_clock_is_continued),
	KUNIT_CASE(timers_leave_a_processor_that_goes_offline),
	KUNIT_CASE_SLOW(the_first_timer_on_a_processor_sees_a_set_or_is_seen),
	KUNIT_CASE_SLOW(no_timer_is_early_or_lost_in_a_storm),
	KUNIT_CASE_SLOW(no_timer_is_lost_while_processors_come_and_go),
	KUNIT_CASE_SLOW(no_timer_is_early_or_lost_on_a_clock_that_is_often_stopped),
	{}
};

static struct kunit_suite hrtimer_nested_suite = {
	.name		= "hrtimer_nested",
	.test_cases	= hrtimer_nested_cases,
};

kunit_test_suite(hrtimer_nested_suite);

MODULE_DESCRIPTION("KUnit tests of hrtimers on nested clocks");
MODULE_LICENSE("GPL");
