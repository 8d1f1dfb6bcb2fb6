// SPDX-License-Identifier: GPL-2.0-only
/*
 * Timer bases that are nested in those of the host.
 *
 * A nested clock is a function of a clock of the host, its anchor. Its timers are
 * queued by their expiry on the clock itself, on each CPU in a base of the clock. A
 * proxy in the base of the anchor stands for the first of them: it is queued at the
 * time of the anchor at which the clock gets there. So a change of the function moves
 * one proxy on each CPU and no timer, and the host sees no more than the proxies.
 *
 * The lock of a nested base is that of all bases of its CPU.
 *
 * A proxy may be queued too early, for example when its timer was cancelled from
 * another CPU: it is put right when it is due. It must not be late:
 *
 *	enqueue, under the lock of the CPU	change of the function
 *	----------------------------------	----------------------
 *	set the bit of the CPU in used		write the latch
 *	full barrier				full barrier
 *	read the latch				read the bit of the CPU
 *	queue the proxy				if set, take the lock, queue the proxy
 *
 * One of both sees what the other wrote. See
 * Documentation/litmus-tests/hrtimer/nested-enqueue-and-set.litmus.
 */
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/export.h>
#include <linux/list.h>
#include <linux/percpu.h>
#include <linux/poison.h>
#include <linux/rcupdate.h>
#include <linux/sched/clock.h>
#include <linux/slab.h>
#include <linux/smp.h>

#include "hrtimer_nested.h"
#include "tick-internal.h"

struct static_key_false hrtimer_nested_key = STATIC_KEY_FALSE_INIT;
EXPORT_SYMBOL_GPL(hrtimer_nested_key);

/* Nested bases that ever had a timer on the CPU, under the lock of its timers. */
static DEFINE_PER_CPU(struct hlist_head, nested_bases);

#ifdef CONFIG_HRTIMER_NESTED_KUNIT_TEST
unsigned int nested_delay_us;

static void nested_delay(void)
{
	unsigned int us = READ_ONCE(nested_delay_us);

	if (us)
		udelay((u32)local_clock() % (us + 1));
}
#else
static void nested_delay(void) { }
#endif

static struct nested_base *to_nested(const struct hrtimer_clock_base *base)
{
	return container_of(base, struct nested_base, base);
}

/* Copies a consistent formula; returns what read_seqcount_latch_retry() needs. */
static unsigned int read_formula(const struct nested_clock *clock, struct nested_formula *formula)
{
	unsigned int seq, i;

	do {
		const struct nested_formula *from;

		seq = read_seqcount_latch(&clock->seq);
		from = &clock->formula[seq & 1];
		formula->anchor = READ_ONCE(from->anchor);
		formula->nr = READ_ONCE(from->nr);
		for (i = 0; i < formula->nr; i++) {
			formula->segment[i].start = READ_ONCE(from->segment[i].start);
			formula->segment[i].value = READ_ONCE(from->segment[i].value);
			formula->segment[i].rate = READ_ONCE(from->segment[i].rate);
		}
	} while (read_seqcount_latch_retry(&clock->seq, seq));
	return seq;
}

static void write_copy(struct nested_formula *to, const struct nested_formula *formula)
{
	unsigned int i;

	WRITE_ONCE(to->anchor, formula->anchor);
	WRITE_ONCE(to->nr, formula->nr);
	for (i = 0; i < formula->nr; i++) {
		WRITE_ONCE(to->segment[i].start, formula->segment[i].start);
		WRITE_ONCE(to->segment[i].value, formula->segment[i].value);
		WRITE_ONCE(to->segment[i].rate, formula->segment[i].rate);
	}
}

static void write_formula(struct nested_clock *clock, const struct nested_formula *formula)
{
	lockdep_assert_held(&clock->lock);
	write_seqcount_latch_begin(&clock->seq);
	write_copy(&clock->formula[0], formula);
	write_seqcount_latch(&clock->seq);
	write_copy(&clock->formula[1], formula);
	write_seqcount_latch_end(&clock->seq);
}

static ktime_t read_anchor(const struct nested_formula *formula)
{
	return raw_cpu_ptr(&hrtimer_bases)->clock_base[formula->anchor].get_time();
}

/*
 * The earliest time of the anchor that counts for a timer that is queued now. Only a
 * clock of several segments may read a time more than once.
 */
static ktime_t earliest_now(const struct nested_formula *formula)
{
	return formula->nr > 1 ? read_anchor(formula) : 0;
}

static void dequeue_proxy(struct nested_base *nested)
{
	struct hrtimer *proxy = &nested->proxy;

	if (proxy->state == HRTIMER_STATE_INACTIVE)
		return;
	if (!timerqueue_del(&proxy->base->active, &proxy->node))
		proxy->base->cpu_base->active_bases &= ~(1U << proxy->base->index);
	proxy->state = HRTIMER_STATE_INACTIVE;
}

/*
 * Queues the proxy for the first timer, or takes it out if there is none or the clock
 * never gets there. Returns whether it moved.
 */
static bool requeue_proxy(struct nested_base *nested, const struct nested_formula *formula,
			  ktime_t earliest)
{
	struct hrtimer_cpu_base *cpu_base = nested->base.cpu_base;
	struct hrtimer_clock_base *anchor = &cpu_base->clock_base[formula->anchor];
	struct timerqueue_node *first = timerqueue_getnext(&nested->base.active);
	struct hrtimer *proxy = &nested->proxy;
	ktime_t soft = KTIME_MAX, hard = KTIME_MAX;

	lockdep_assert_held(&cpu_base->lock);
	if (first) {
		struct hrtimer *timer = container_of(first, struct hrtimer, node);

		soft = nested_formula_inverse(formula, timer->_softexpires, earliest);
		hard = soft;
		if (timer->_softexpires != first->expires)
			hard = nested_formula_inverse(formula, first->expires, earliest);
	}
	if (proxy->state == HRTIMER_STATE_INACTIVE) {
		if (hard == KTIME_MAX)
			return false;
	} else {
		if (proxy->base == anchor && hrtimer_get_expires(proxy) == hard &&
		    hrtimer_get_softexpires(proxy) == soft)
			return false;
		dequeue_proxy(nested);
	}
	if (hard == KTIME_MAX)
		return true;
	proxy->base = anchor;
	proxy->_softexpires = soft;
	proxy->node.expires = hard;
	proxy->state = HRTIMER_STATE_ENQUEUED;
	cpu_base->active_bases |= 1U << anchor->index;
	timerqueue_add(&anchor->active, &proxy->node);
	return true;
}

/* From now on a change of the function looks at this CPU. */
static void mark_used(struct nested_base *nested)
{
	unsigned int cpu = nested->base.cpu_base->cpu;

	if (cpumask_test_cpu(cpu, nested->clock->used))
		return;
	hlist_add_head(&nested->node, &per_cpu(nested_bases, cpu));
	cpumask_set_cpu(cpu, nested->clock->used);
	/* Pairs with the barrier in kick_cpus(), see the head of this file. */
	smp_mb__after_atomic();
}

/*
 * Whether the event of a CPU is too late for its proxy. That the proxy moved is neither
 * required nor enough: it may be new, and queued with the new function already.
 */
static bool needs_kick(const struct nested_base *nested)
{
	const struct hrtimer_cpu_base *cpu_base = nested->base.cpu_base;
	const struct hrtimer *proxy = &nested->proxy;

	if (proxy->state == HRTIMER_STATE_INACTIVE)
		return false;
	/* The interrupt looks at all bases again before it programs the next event. */
	if (cpu_base->in_hrtirq)
		return false;
	/* Without high resolution the tick finds it, but only if it is not stopped. */
	if (!cpu_base->hres_active)
		return tick_nohz_active;
	return ktime_sub(hrtimer_get_expires(proxy), proxy->base->offset) < cpu_base->expires_next;
}

/* Puts the proxies right after a change of the function. */
static void kick_cpus(struct nested_clock *clock)
{
	int cpu;

	lockdep_assert_cpus_held();
	lockdep_assert_held(&clock->kick_lock);
	cpumask_clear(clock->kicked);

	/* Pairs with the barrier in mark_used(). The latch has only write barriers. */
	smp_mb();
	for_each_online_cpu(cpu) {
		struct nested_base *nested = per_cpu_ptr(clock->bases, cpu);
		struct nested_formula formula;

		if (!cpumask_test_cpu(cpu, clock->used))
			continue;
		guard(raw_spinlock_irqsave)(&nested->base.cpu_base->lock);
		read_formula(clock, &formula);
		requeue_proxy(nested, &formula, earliest_now(&formula));
		if (needs_kick(nested))
			cpumask_set_cpu(cpu, clock->kicked);
	}
	on_each_cpu_mask(clock->kicked, retrigger_next_event, NULL, true);
}

static void kick_work(struct work_struct *work)
{
	struct nested_clock *clock = container_of(work, struct nested_clock, kick_work);

	cpus_read_lock();
	mutex_lock(&clock->kick_lock);
	kick_cpus(clock);
	mutex_unlock(&clock->kick_lock);
	cpus_read_unlock();
	nested_clock_put(clock);
}

static void free_clock(struct nested_clock *clock)
{
	int cpu;

	/* KASAN does not know this memory. */
	if (IS_ENABLED(CONFIG_HRTIMER_NESTED_KUNIT_TEST)) {
		for_each_possible_cpu(cpu)
			memset(per_cpu_ptr(clock->bases, cpu), POISON_FREE, sizeof(*clock->bases));
	}
	free_percpu(clock->bases);
	free_cpumask_var(clock->kicked);
	free_cpumask_var(clock->used);
	kfree(clock);
}

static void free_work(struct work_struct *work)
{
	struct rcu_work *rcu_work = to_rcu_work(work);
	struct nested_clock *clock = container_of(rcu_work, struct nested_clock, free_work);
	int cpu;

	/* A proxy that was left behind must not be found any more. */
	for_each_cpu(cpu, clock->used) {
		struct nested_base *nested = per_cpu_ptr(clock->bases, cpu);

		guard(raw_spinlock_irqsave)(&nested->base.cpu_base->lock);
		WARN_ON_ONCE(timerqueue_getnext(&nested->base.active));
		dequeue_proxy(nested);
		hlist_del(&nested->node);
	}
	free_clock(clock);
}

enum hrtimer_restart nested_proxy_function(struct hrtimer *proxy)
{
	WARN_ON_ONCE(1);
	return HRTIMER_NORESTART;
}

/* Stands where all bases have a function. It has no argument to find the clock by. */
static ktime_t nested_get_time(void)
{
	WARN_ON_ONCE(1);
	return ktime_get();
}

ktime_t nested_base_get_time(const struct hrtimer_clock_base *base)
{
	return nested_clock_read(to_nested(base)->clock);
}
EXPORT_SYMBOL_GPL(nested_base_get_time);

struct nested_clock *nested_base_clock(const struct hrtimer_clock_base *base)
{
	return to_nested(base)->clock;
}
EXPORT_SYMBOL_GPL(nested_base_clock);

struct hrtimer_clock_base *nested_base_of_cpu(struct hrtimer_clock_base *base, unsigned int cpu)
{
	return &per_cpu_ptr(to_nested(base)->clock->bases, cpu)->base;
}

/* Returns whether @timer decides on the next event of its anchor. */
bool nested_enqueue(struct hrtimer *timer, struct hrtimer_clock_base *base)
{
	struct nested_base *nested = to_nested(base);
	struct hrtimer *proxy = &nested->proxy;
	struct nested_formula formula;
	bool first;

	/* Pairs with the lockless read in hrtimer_is_queued() */
	WRITE_ONCE(timer->state, HRTIMER_STATE_ENQUEUED);
	first = timerqueue_add(&base->active, &timer->node);

	mark_used(nested);
	read_formula(nested->clock, &formula);
	nested_delay();
	requeue_proxy(nested, &formula, earliest_now(&formula));
	return first && proxy->state != HRTIMER_STATE_INACTIVE &&
	       timerqueue_getnext(&proxy->base->active) == &proxy->node;
}

/*
 * Takes @timer out. Returns what the host has to compare with its next timer: the proxy
 * if it moved. Without @requeue that waits until @timer is queued again or the proxy is
 * due.
 */
struct hrtimer *nested_dequeue(struct hrtimer *timer, struct hrtimer_clock_base *base, bool requeue)
{
	struct nested_base *nested = to_nested(base);
	struct nested_formula formula;

	timerqueue_del(&base->active, &timer->node);
	if (!requeue)
		return timer;
	read_formula(nested->clock, &formula);
	return requeue_proxy(nested, &formula, earliest_now(&formula)) ? &nested->proxy : timer;
}

struct hrtimer *nested_proxy_of_first(struct hrtimer *timer, struct hrtimer_clock_base *base)
{
	return timerqueue_getnext(&base->active) == &timer->node ? &to_nested(base)->proxy : timer;
}

/**
 * nested_next_due - the next timer that a proxy stands for
 * @proxy:	first in its queue, and due
 * @now:	time of the interrupt on CLOCK_MONOTONIC
 * @nested_now:	set to the time of the nested clock
 *
 * The proxy stays where it is as long as there are such timers. So it is found again
 * after each of them, with whatever the clock is then; but @now is the same, or a timer
 * that starts itself again would never let go of the CPU.
 *
 * Return: the timer; NULL if none is due and the proxy has been queued for later
 */
struct hrtimer *nested_next_due(struct hrtimer *proxy, ktime_t now, ktime_t *nested_now)
{
	struct nested_base *nested = container_of(proxy, struct nested_base, proxy);
	struct timerqueue_node *first = timerqueue_getnext(&nested->base.active);
	struct nested_formula formula;
	ktime_t anchor;

	read_formula(nested->clock, &formula);
	anchor = ktime_add(now, nested->base.cpu_base->clock_base[formula.anchor].offset);
	if (first) {
		struct hrtimer *timer = container_of(first, struct hrtimer, node);

		*nested_now = nested_formula_read(&formula, anchor);
		nested_delay();
		if (*nested_now >= hrtimer_get_softexpires(timer))
			return timer;
	}
	requeue_proxy(nested, &formula, anchor + 1);
	return NULL;
}

/* When @timer would expire on @base, on CLOCK_MONOTONIC. */
ktime_t nested_expires(const struct hrtimer *timer, const struct hrtimer_clock_base *base)
{
	struct nested_formula formula;
	ktime_t expires;

	read_formula(to_nested(base)->clock, &formula);
	expires = nested_formula_inverse(&formula, hrtimer_get_expires(timer),
					 earliest_now(&formula));
	nested_delay();
	if (expires == KTIME_MAX)
		return KTIME_MAX;
	return ktime_sub(expires, base->cpu_base->clock_base[formula.anchor].offset);
}

/*
 * A timer was queued on another CPU because it was not the first one there. If the
 * clock has been changed meanwhile it may be.
 */
void nested_kick_remote(struct hrtimer_clock_base *base)
{
	struct hrtimer_cpu_base *cpu_base = base->cpu_base;

	if (cpu_base != this_cpu_ptr(&hrtimer_bases) && needs_kick(to_nested(base)))
		smp_call_function_single_async(cpu_base->cpu, &cpu_base->csd);
}

/* Moves the timers from a CPU that goes offline. Both locks are held. */
void nested_migrate(unsigned int from, unsigned int to,
		    void (*migrate)(struct hrtimer_clock_base *, struct hrtimer_clock_base *))
{
	struct nested_base *nested;

	hlist_for_each_entry(nested, &per_cpu(nested_bases, from), node) {
		dequeue_proxy(nested);
		migrate(&nested->base, nested_base_of_cpu(&nested->base, to));
	}
}

/**
 * nested_clock_create - create a clock
 * @clockid:	what timers on the clock name as their clock
 * @formula:	what the clock reads
 *
 * Return: the clock with one reference, or an error pointer: -EINVAL if the formula is
 * not valid, -ENOMEM
 */
struct nested_clock *nested_clock_create(clockid_t clockid, const struct nested_formula *formula)
{
	struct nested_clock *clock;
	int cpu;

	if (!nested_formula_valid(formula))
		return ERR_PTR(-EINVAL);
	clock = kzalloc(sizeof(*clock), GFP_KERNEL_ACCOUNT);
	if (!clock)
		return ERR_PTR(-ENOMEM);
	if (!zalloc_cpumask_var(&clock->used, GFP_KERNEL_ACCOUNT))
		goto err_free;
	if (!zalloc_cpumask_var(&clock->kicked, GFP_KERNEL_ACCOUNT))
		goto err_free_used;
	clock->bases = alloc_percpu_gfp(struct nested_base, GFP_KERNEL_ACCOUNT);
	if (!clock->bases)
		goto err_free_kicked;

	refcount_set(&clock->count, 1);
	seqcount_latch_init(&clock->seq);
	clock->formula[0] = *formula;
	clock->formula[1] = *formula;
	raw_spin_lock_init(&clock->lock);
	mutex_init(&clock->kick_lock);
	INIT_WORK(&clock->kick_work, kick_work);
	INIT_RCU_WORK(&clock->free_work, free_work);
	for_each_possible_cpu(cpu) {
		struct hrtimer_cpu_base *cpu_base = &per_cpu(hrtimer_bases, cpu);
		struct nested_base *nested = per_cpu_ptr(clock->bases, cpu);

		nested->clock = clock;
		nested->base.cpu_base = cpu_base;
		nested->base.index = HRTIMER_MAX_CLOCK_BASES;
		nested->base.clockid = clockid;
		nested->base.get_time = nested_get_time;
		seqcount_raw_spinlock_init(&nested->base.seq, &cpu_base->lock);
		timerqueue_init_head(&nested->base.active);
		timerqueue_init(&nested->proxy.node);
		nested->proxy.function = nested_proxy_function;
		nested->proxy.is_hard = 1;
		nested->proxy.base = &cpu_base->clock_base[formula->anchor];
	}

	/* Stays, so that nobody can make the kernel patch itself all the time. */
	static_branch_enable(&hrtimer_nested_key);
	return clock;

err_free_kicked:
	free_cpumask_var(clock->kicked);
err_free_used:
	free_cpumask_var(clock->used);
err_free:
	kfree(clock);
	return ERR_PTR(-ENOMEM);
}
EXPORT_SYMBOL_GPL(nested_clock_create);

/**
 * nested_clock_get - take a reference
 * @clock:	the clock
 */
void nested_clock_get(struct nested_clock *clock)
{
	refcount_inc(&clock->count);
}
EXPORT_SYMBOL_GPL(nested_clock_get);

/**
 * nested_clock_put - drop a reference
 * @clock:	the clock
 *
 * No timer on the clock may be queued or running when the last reference goes. It may
 * have been run a moment ago: the interrupt looks at its base once more, and others that
 * found the timer under RCU may do so too. Both have ended after a grace period.
 *
 * Context: any, also the function of a timer on the clock
 */
void nested_clock_put(struct nested_clock *clock)
{
	if (refcount_dec_and_test(&clock->count))
		queue_rcu_work(system_wq, &clock->free_work);
}
EXPORT_SYMBOL_GPL(nested_clock_put);

/**
 * nested_clock_read - what a clock reads now
 * @clock:	the clock
 */
ktime_t nested_clock_read(const struct nested_clock *clock)
{
	struct nested_formula formula;
	unsigned int seq;
	ktime_t anchor;

	/* A time of the anchor belongs to the formula that was valid at that time. */
	do {
		seq = read_formula(clock, &formula);
		anchor = read_anchor(&formula);
	} while (read_seqcount_latch_retry(&clock->seq, seq));
	return nested_formula_read(&formula, anchor);
}
EXPORT_SYMBOL_GPL(nested_clock_read);

static void change(struct nested_clock *clock, const struct nested_formula *set, s64 step)
{
	struct nested_formula formula;
	unsigned int i;

	cpus_read_lock();
	mutex_lock(&clock->kick_lock);
	/* Timers that are due now do not wait until this task is scheduled again. */
	preempt_disable();
	scoped_guard(raw_spinlock_irqsave, &clock->lock) {
		formula = set ? *set : clock->formula[0];
		for (i = 0; i < formula.nr; i++) {
			s64 *value = &formula.segment[i].value;

			if (check_add_overflow(*value, step, value) || *value < -KTIME_MAX)
				*value = step < 0 ? -KTIME_MAX : KTIME_MAX;
		}
		write_formula(clock, &formula);
	}
	nested_delay();
	kick_cpus(clock);
	preempt_enable();
	mutex_unlock(&clock->kick_lock);
	cpus_read_unlock();
}

/**
 * nested_clock_set - set a clock
 * @clock:	the clock
 * @formula:	what it reads from now on
 *
 * Timers that are due expire before or soon after this returns.
 *
 * A clock that steps back at a later time of its anchor has to be set again when the
 * anchor itself is set back, or its timers may be late. CLOCK_BOOTTIME never is.
 *
 * Context: may sleep
 * Return: 0; -EINVAL if the formula is not valid
 */
int nested_clock_set(struct nested_clock *clock, const struct nested_formula *formula)
{
	if (!nested_formula_valid(formula))
		return -EINVAL;
	change(clock, formula, 0);
	return 0;
}
EXPORT_SYMBOL_GPL(nested_clock_set);

/**
 * nested_clock_step - step a clock
 * @clock:	the clock
 * @by:		nanoseconds, negative to set it back
 *
 * Context: may sleep
 */
void nested_clock_step(struct nested_clock *clock, s64 by)
{
	change(clock, NULL, by);
}
EXPORT_SYMBOL_GPL(nested_clock_step);

/**
 * nested_clock_change_rate - stop or continue a clock, or change its rate
 * @clock:	the clock
 * @rate:	0, NESTED_CLOCK_RATE_ONE, or any other; see nested_formula_change_rate()
 *
 * To stop a clock is to write its formula. Proxies that are queued find out when they
 * are due that the clock is not there and never will be, and park. Afterwards they are
 * queued again, a little later, by a work item that is one for all changes until then.
 *
 * Context: any but NMI
 * Return: the time of the anchor from which on the clock runs at the rate
 */
ktime_t nested_clock_change_rate(struct nested_clock *clock, u64 rate)
{
	struct nested_formula formula;
	ktime_t from;

	scoped_guard(raw_spinlock_irqsave, &clock->lock) {
		formula = clock->formula[0];
		from = nested_formula_change_rate(&formula, read_anchor(&formula), rate);
		write_formula(clock, &formula);
	}
	if (rate) {
		nested_clock_get(clock);
		if (!queue_work(system_highpri_wq, &clock->kick_work))
			nested_clock_put(clock);
	}
	return from;
}
EXPORT_SYMBOL_GPL(nested_clock_change_rate);

/**
 * hrtimer_nest - put a timer on a nested clock
 * @timer:	an hrtimer that is initialised and was not started
 * @clock:	the clock, of which the caller holds a reference until the timer is freed
 *
 * Everything else is as for other hrtimers, except that they expire in hard interrupt
 * context only.
 */
void hrtimer_nest(struct hrtimer *timer, struct nested_clock *clock)
{
	if (WARN_ON_ONCE(timer->is_soft))
		return;
	timer->base = &raw_cpu_ptr(clock->bases)->base;
}
EXPORT_SYMBOL_GPL(hrtimer_nest);

/* hrtimer_unnest() for a timer that is nested. */
void __hrtimer_unnest(struct hrtimer *timer)
{
	struct nested_clock *clock = nested_base_clock(timer->base);

	WARN_ON_ONCE(hrtimer_is_queued(timer));
	/* Whoever looks at the timer under RCU may see the one or the other. */
	WRITE_ONCE(timer->base,
		   &raw_cpu_ptr(&hrtimer_bases)->clock_base[HRTIMER_BASE_MONOTONIC]);
	nested_clock_put(clock);
}
EXPORT_SYMBOL_GPL(__hrtimer_unnest);
