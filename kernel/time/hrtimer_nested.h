/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What hrtimers and nested timer bases have in common.
 */
#ifndef _KERNEL_TIME_HRTIMER_NESTED_H
#define _KERNEL_TIME_HRTIMER_NESTED_H

#include <linux/cpumask.h>
#include <linux/hrtimer.h>
#include <linux/mutex.h>
#include <linux/nested_clock.h>
#include <linux/refcount.h>
#include <linux/seqlock.h>
#include <linux/workqueue.h>

/**
 * struct nested_base - the timers of a nested clock on a CPU
 * @base:	queue of the timers, with their expiry in time of the clock. Its cpu_base is
 *		that of the CPU, and so is the lock.
 * @proxy:	stands for the first of them in a queue of the host; it never runs
 * @clock:	the clock
 * @node:	in the list of the CPU, once a timer was queued there
 */
struct nested_base {
	struct hrtimer_clock_base	base;
	struct hrtimer			proxy;
	struct nested_clock		*clock;
	struct hlist_node		node;
};

/**
 * struct nested_clock - a clock that is a function of a clock of the host
 * @count:	references: of the owner, and of whatever has a timer on the clock, from
 *		the initialisation of the timer until it is freed
 * @seq:	latch of @formula
 * @formula:	two copies, one of which is stable
 * @lock:	serializes those who change @formula
 * @kick_lock:	serializes kicks, and protects @kicked
 * @used:	CPUs on which a timer was ever queued. Bits are set under the lock of the
 *		timers of that CPU, and stay set.
 * @kicked:	CPUs that have to program their event anew, under @kick_lock
 * @kick_work:	kicks for a caller that must not sleep
 * @free_work:	frees the clock when nothing can reach it any more
 * @bases:	the timers
 */
struct nested_clock {
	refcount_t			count;
	seqcount_latch_t		seq;
	struct nested_formula		formula[2];
	raw_spinlock_t			lock;
	struct mutex			kick_lock; /* serializes kicks */
	cpumask_var_t			used;
	cpumask_var_t			kicked;
	struct work_struct		kick_work;
	struct rcu_work			free_work;
	struct nested_base __percpu	*bases;
};

#ifdef CONFIG_HRTIMER_NESTED_KUNIT_TEST
/* Up to so many microseconds between two steps of which the order matters. */
extern unsigned int nested_delay_us;
#endif

/*
 * For what has to be inlined although a nested base made it larger. Without nested
 * bases the compiler decides.
 */
#ifdef CONFIG_HRTIMER_NESTED
# define hrtimer_inline	__always_inline
#else
# define hrtimer_inline
#endif

/* hrtimer.c */
void retrigger_next_event(void *arg);

/* hrtimer_nested.c, for hrtimer.c. All are called under the lock of the base. */
enum hrtimer_restart nested_proxy_function(struct hrtimer *proxy);
bool nested_enqueue(struct hrtimer *timer, struct hrtimer_clock_base *base);
struct hrtimer *nested_dequeue(struct hrtimer *timer, struct hrtimer_clock_base *base,
			       bool requeue);
struct hrtimer *nested_proxy_of_first(struct hrtimer *timer, struct hrtimer_clock_base *base);
struct hrtimer *nested_next_due(struct hrtimer *proxy, ktime_t now, ktime_t *nested_now);
ktime_t nested_expires(const struct hrtimer *timer, const struct hrtimer_clock_base *base);
struct hrtimer_clock_base *nested_base_of_cpu(struct hrtimer_clock_base *base, unsigned int cpu);
void nested_kick_remote(struct hrtimer_clock_base *base);
void nested_migrate(unsigned int from, unsigned int to,
		    void (*migrate)(struct hrtimer_clock_base *, struct hrtimer_clock_base *));

static inline bool hrtimer_is_proxy(const struct hrtimer *timer)
{
	return hrtimer_nested_in_use() && timer->function == nested_proxy_function;
}

/* The timer of the host that decides on the next event if @timer is first: itself or a proxy. */
static inline struct hrtimer *hrtimer_event_of(struct hrtimer *timer,
					       struct hrtimer_clock_base *base)
{
	return hrtimer_base_is_nested(base) ? nested_proxy_of_first(timer, base) : timer;
}

#endif /* _KERNEL_TIME_HRTIMER_NESTED_H */
