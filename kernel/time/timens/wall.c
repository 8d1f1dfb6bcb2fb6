// SPDX-License-Identifier: GPL-2.0-only
/*
 * Wall clocks of time namespaces.
 *
 * A wall clock is a function of a clock of the host, its anchor: of CLOCK_REALTIME until
 * somebody inside sets it, of CLOCK_BOOTTIME from then on, so that whoever sets the host
 * does not move it. There is nothing to do for it when the host's clocks tick, are set
 * or steered.
 *
 * One page holds what it reads, for the kernel and the vDSO, so these cannot disagree.
 * Timers are on two nested clocks that have the same formulas. These are set after the
 * page, so a timer that has expired finds the clock where it expects it.
 *
 * Time namespaces that did not ask for a clock of their own share that of their parent.
 * Which clock that is does not change once a task has entered.
 */
#include <linux/cred.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/timex.h>
#include <linux/user_namespace.h>
#include <vdso/datapage.h>
#include <vdso/timens_wall.h>
#include <uapi/linux/timens.h>

#include "internal.h"

#define NOMINAL_TICK_US		(USEC_PER_SEC / USER_HZ)

/**
 * struct wall_state - where a clock is
 * @mode:	TIMENS_WALL_FOLLOW or TIMENS_WALL_OWN
 * @own_tai:	@tai was set, and CLOCK_TAI is CLOCK_REALTIME plus that. Otherwise it is so
 *		only with TIMENS_WALL_OWN, and as far from the host's as CLOCK_REALTIME is
 *		with TIMENS_WALL_FOLLOW.
 * @tai:	seconds
 * @offset:	CLOCK_REALTIME minus the anchor of @mode, in nanoseconds
 * @floor:	date that the clock was set to; 0 with TIMENS_WALL_FOLLOW
 */
struct wall_state {
	u32			mode;
	bool			own_tai;
	s32			tai;
	s64			offset;
	struct timespec64	floor;
};

/**
 * struct timens_wall - a wall clock
 * @count:	references: of namespaces, and of timerfds that are cancelled when it is set
 * @user_ns:	the owner; CAP_SYS_TIME there is what setting the clock takes
 * @ucounts:	charged with this clock as with a time namespace, which it may outlive
 * @page:	what it reads, see struct timens_wall_data
 * @nested:	what its timers are on
 * @cancel:	timerfds to be cancelled when it is set
 * @set:	serialises those who set it, never those who read
 * @state:	where it is, under @set
 * @ntp:	what adjtimex() reports and accepts, under @set
 */
struct timens_wall {
	refcount_t			count;
	struct user_namespace		*user_ns;
	struct ucounts			*ucounts;
	struct page			*page;
	struct nested_clock		*nested[TIMENS_WALL_CLOCKS];
	struct timens_wall_cancel	cancel;
	struct mutex			set; /* serialises setters */
	struct wall_state		state;
	struct {
		int	status;
		long	maxerror;
		long	esterror;
		long	constant;
	} ntp;
};

/* From the host's CLOCK_BOOTTIME to its CLOCK_REALTIME. Changes when that is set. */
static s64 boottime_to_realtime(void)
{
	return ktime_mono_to_any(0, TK_OFFS_REAL) - ktime_mono_to_any(0, TK_OFFS_BOOT);
}

/* Leap seconds and what ADJ_TAI set. */
static s32 host_tai(void)
{
	ktime_t real, tai;

	/* Both of the same moment. */
	do {
		real = ktime_mono_to_any(0, TK_OFFS_REAL);
		tai = ktime_mono_to_any(0, TK_OFFS_TAI);
	} while (real != ktime_mono_to_any(0, TK_OFFS_REAL));
	return div_s64(tai - real, NSEC_PER_SEC);
}

static bool has_own_tai(const struct wall_state *state)
{
	return state->own_tai || state->mode == TIMENS_WALL_OWN;
}

static s32 tai_of(const struct wall_state *state)
{
	return has_own_tai(state) ? state->tai : host_tai();
}

/* Sets the formula of each clock. */
static void formulas_of(const struct wall_state *state,
			struct timens_wall_formula formula[TIMENS_WALL_CLOCKS])
{
	const clockid_t anchor = state->mode == TIMENS_WALL_OWN ? CLOCK_BOOTTIME : CLOCK_REALTIME;
	struct timespec64 offset = ns_to_timespec64(state->offset);

	formula[TIMENS_WALL_REALTIME] = (struct timens_wall_formula){
		.sec		= offset.tv_sec,
		.nsec		= offset.tv_nsec,
		.floor_sec	= state->floor.tv_sec,
		.floor_nsec	= state->floor.tv_nsec,
		.anchor		= anchor,
	};
	formula[TIMENS_WALL_TAI] = formula[TIMENS_WALL_REALTIME];
	if (has_own_tai(state))
		formula[TIMENS_WALL_TAI].sec += state->tai;
	else
		formula[TIMENS_WALL_TAI].anchor = CLOCK_TAI;
}

static enum timens_wall_clock wall_clock_of(clockid_t clock)
{
	return clock == CLOCK_TAI ? TIMENS_WALL_TAI : TIMENS_WALL_REALTIME;
}

static struct timens_wall_data *data_of(const struct timens_wall *wall)
{
	return (void *)arch_get_vdso_data(page_address(wall->page));
}

static void write_copy(struct timens_wall_formula to[TIMENS_WALL_CLOCKS],
		       const struct timens_wall_formula from[TIMENS_WALL_CLOCKS])
{
	unsigned int i;

	for (i = 0; i < TIMENS_WALL_CLOCKS; i++) {
		WRITE_ONCE(to[i].sec, from[i].sec);
		WRITE_ONCE(to[i].nsec, from[i].nsec);
		WRITE_ONCE(to[i].floor_sec, from[i].floor_sec);
		WRITE_ONCE(to[i].floor_nsec, from[i].floor_nsec);
		WRITE_ONCE(to[i].anchor, from[i].anchor);
	}
}

/*
 * As raw_write_seqcount_latch(), of which the type is not for user space. Readers are sent
 * to the copy that is not being written.
 */
static void write_page(struct timens_wall *wall,
		       const struct timens_wall_formula formula[TIMENS_WALL_CLOCKS])
{
	struct timens_wall_data *data = data_of(wall);
	unsigned int i;

	for (i = 0; i < 2; i++) {
		/* The copy that readers are sent to is complete: pairs with read_page(). */
		smp_wmb();
		WRITE_ONCE(data->seq, data->seq + 1);
		/* They are sent there before the other changes: pairs with page_changed(). */
		smp_wmb();
		write_copy(data->copy[!(data->seq & 1)], formula);
	}
	/* Whatever the caller does next comes after. */
	smp_wmb();
}

static u32 read_page(const struct timens_wall *wall, enum timens_wall_clock which,
		     struct timens_wall_formula *formula)
{
	const struct timens_wall_data *data = data_of(wall);
	const struct timens_wall_formula *copy;
	u32 seq = READ_ONCE(data->seq);

	/* Pairs with smp_wmb() in write_page(). */
	smp_rmb();
	copy = &data->copy[seq & 1][which];
	formula->sec = READ_ONCE(copy->sec);
	formula->nsec = READ_ONCE(copy->nsec);
	formula->floor_sec = READ_ONCE(copy->floor_sec);
	formula->floor_nsec = READ_ONCE(copy->floor_nsec);
	formula->anchor = READ_ONCE(copy->anchor);
	return seq;
}

static bool page_changed(const struct timens_wall *wall, u32 seq)
{
	/* Pairs with smp_wmb() in write_page(). */
	smp_rmb();
	return READ_ONCE(data_of(wall)->seq) != seq;
}

static void read_host(clockid_t clock, bool coarse, struct timespec64 *ts)
{
	switch (clock) {
	case CLOCK_BOOTTIME:
		if (coarse)
			ktime_get_coarse_boottime_ts64(ts);
		else
			ktime_get_boottime_ts64(ts);
		break;
	case CLOCK_TAI:
		ktime_get_clocktai_ts64(ts);
		break;
	default:
		if (coarse)
			ktime_get_coarse_real_ts64(ts);
		else
			ktime_get_real_ts64(ts);
		break;
	}
}

/**
 * timens_wall_clock_gettime() - read a wall clock
 * @wall:	wall clock
 * @clock:	CLOCK_REALTIME, CLOCK_REALTIME_COARSE, CLOCK_REALTIME_ALARM or CLOCK_TAI
 * @ts:		set, not before 1970
 */
void timens_wall_clock_gettime(const struct timens_wall *wall, clockid_t clock,
			       struct timespec64 *ts)
{
	const enum timens_wall_clock which = wall_clock_of(clock);
	struct timens_wall_formula formula;
	u32 seq;

	/* A time of the anchor belongs to the formula that was valid at that time. */
	do {
		seq = read_page(wall, which, &formula);
		read_host(formula.anchor, clock == CLOCK_REALTIME_COARSE, ts);
	} while (page_changed(wall, seq));

	*ts = timespec64_add(*ts, (struct timespec64){ formula.sec, formula.nsec });
	if (clock == CLOCK_REALTIME_COARSE) {
		struct timespec64 floor = { formula.floor_sec, formula.floor_nsec };

		if (timespec64_compare(ts, &floor) < 0)
			*ts = floor;
	}
	if (ts->tv_sec < 0)
		*ts = (struct timespec64){ };
}

/**
 * timens_offsets_clock_from_host() - from a clock of the host to that of a namespace
 * @offsets:	offsets of a namespace
 * @clock:	clock id
 * @ts:		what the host's @clock read, replaced by what the namespace's reads
 */
void timens_offsets_clock_from_host(const struct timens_offsets *offsets, clockid_t clock,
				    struct timespec64 *ts)
{
	struct timens_wall *wall = timens_wall_of(offsets);

	if (wall && timens_is_wall_clock(clock))
		timens_wall_clock_gettime(wall, clock, ts);
	else
		timens_offsets_timespec_from_host(offsets, clock, ts);
}

/**
 * timens_wall_of() - the wall clock of the namespace with these offsets
 * @offsets:	those that a task points to
 *
 * Return: the clock, NULL if it is the host's.
 */
struct timens_wall *timens_wall_of(const struct timens_offsets *offsets)
{
	return container_of(offsets, struct time_namespace, offsets)->wall;
}

/**
 * timens_wall_nested() - what an absolute timer is on
 * @wall:	wall clock
 * @clock:	clock id, one of timens_is_wall_clock()
 */
struct nested_clock *timens_wall_nested(const struct timens_wall *wall, clockid_t clock)
{
	return wall->nested[wall_clock_of(clock)];
}

/**
 * timens_wall_to_monotonic() - how far the clock is from the host's CLOCK_MONOTONIC
 * @wall:	wall clock
 *
 * Changes if and only if the clock is set, in whatever way, or the machine was suspended.
 *
 * Return: nanoseconds.
 */
ktime_t timens_wall_to_monotonic(const struct timens_wall *wall)
{
	struct timens_wall_formula formula;
	enum tk_offsets anchor;
	u32 seq;

	do {
		seq = read_page(wall, TIMENS_WALL_REALTIME, &formula);
	} while (page_changed(wall, seq));
	anchor = formula.anchor == CLOCK_BOOTTIME ? TK_OFFS_BOOT : TK_OFFS_REAL;
	return ktime_mono_to_any(0, anchor) + formula.sec * NSEC_PER_SEC + formula.nsec;
}

/**
 * timens_wall_cancel() - who wants to know when the clock is set
 * @wall:	wall clock
 */
struct timens_wall_cancel *timens_wall_cancel(struct timens_wall *wall)
{
	return &wall->cancel;
}

/**
 * timens_wall_page() - the page that the vDSO reads
 * @wall:	wall clock, or NULL
 */
struct page *timens_wall_page(const struct timens_wall *wall)
{
	return wall ? wall->page : NULL;
}

static struct nested_formula nested_formula_of(const struct timens_wall_formula *formula)
{
	return (struct nested_formula){
		.anchor	= formula->anchor == CLOCK_BOOTTIME ? HRTIMER_BASE_BOOTTIME :
			  formula->anchor == CLOCK_TAI ? HRTIMER_BASE_TAI : HRTIMER_BASE_REALTIME,
		.nr	= 1,
		.segment = { {
			.value	= formula->sec * NSEC_PER_SEC + formula->nsec,
			.rate	= NESTED_CLOCK_RATE_ONE,
		} },
	};
}

/* Lets the clock read what @wall->state says, and its timers expire by it. */
static void publish(struct timens_wall *wall)
{
	struct timens_wall_formula formula[TIMENS_WALL_CLOCKS];
	unsigned int i;

	lockdep_assert_held(&wall->set);
	formulas_of(&wall->state, formula);
	write_page(wall, formula);
	for (i = 0; i < TIMENS_WALL_CLOCKS; i++) {
		const struct nested_formula nested = nested_formula_of(&formula[i]);

		WARN_ON_ONCE(nested_clock_set(wall->nested[i], &nested));
	}
	timerfd_wall_was_set(wall);
}

static void free_wall(struct timens_wall *wall)
{
	unsigned int i;

	for (i = 0; i < TIMENS_WALL_CLOCKS; i++) {
		if (wall->nested[i])
			nested_clock_put(wall->nested[i]);
	}
	if (wall->page)
		put_page(wall->page);
	dec_ucount(wall->ucounts, UCOUNT_TIME_NAMESPACES);
	put_user_ns(wall->user_ns);
	kfree(wall);
}

/* A clock of the given owner that reads what @state says. */
static struct timens_wall *create(struct user_namespace *owner, const struct wall_state *state)
{
	static const clockid_t ids[TIMENS_WALL_CLOCKS] = {
		[TIMENS_WALL_REALTIME]	= CLOCK_REALTIME,
		[TIMENS_WALL_TAI]	= CLOCK_TAI,
	};
	struct timens_wall_formula formula[TIMENS_WALL_CLOCKS];
	struct timens_wall *wall;
	struct ucounts *ucounts;
	unsigned int i;

	ucounts = inc_ucount(owner, current_euid(), UCOUNT_TIME_NAMESPACES);
	if (!ucounts)
		return ERR_PTR(-ENOSPC);
	wall = kzalloc(sizeof(*wall), GFP_KERNEL_ACCOUNT);
	if (!wall) {
		dec_ucount(ucounts, UCOUNT_TIME_NAMESPACES);
		return ERR_PTR(-ENOMEM);
	}
	wall->ucounts = ucounts;
	refcount_set(&wall->count, 1);
	wall->user_ns = get_user_ns(owner);
	mutex_init(&wall->set);
	spin_lock_init(&wall->cancel.lock);
	INIT_LIST_HEAD(&wall->cancel.timers);
	wall->state = *state;
	wall->ntp.status = STA_UNSYNC;
	wall->ntp.maxerror = NTP_PHASE_LIMIT;
	wall->ntp.esterror = NTP_PHASE_LIMIT;
	wall->ntp.constant = 2;

	wall->page = timens_vvar_alloc();
	if (!wall->page)
		goto err_free;
	formulas_of(state, formula);
	for (i = 0; i < TIMENS_WALL_CLOCKS; i++) {
		const struct nested_formula nested = nested_formula_of(&formula[i]);
		struct nested_clock *clock = nested_clock_create(ids[i], &nested);

		if (IS_ERR(clock))
			goto err_free;
		wall->nested[i] = clock;
	}
	write_page(wall, formula);
	return wall;

err_free:
	free_wall(wall);
	return ERR_PTR(-ENOMEM);
}

/**
 * timens_wall_get() - take a reference
 * @wall:	wall clock, or NULL
 *
 * Return: @wall.
 */
struct timens_wall *timens_wall_get(struct timens_wall *wall)
{
	if (wall)
		refcount_inc(&wall->count);
	return wall;
}

/**
 * timens_wall_put() - drop a reference
 * @wall:	wall clock, or NULL
 *
 * Timers on the clock may be armed: they hold what they are on.
 */
void timens_wall_put(struct timens_wall *wall)
{
	if (wall && refcount_dec_and_test(&wall->count))
		free_wall(wall);
}

/* CLOCK_REALTIME of the clock minus that of the host, as of now. */
static s64 offset_to_host(const struct wall_state *state)
{
	if (state->mode == TIMENS_WALL_OWN)
		return state->offset - boottime_to_realtime();
	return state->offset;
}

static struct wall_state state_of(struct timens_wall *wall)
{
	struct wall_state state;

	if (!wall)
		return (struct wall_state){ .mode = TIMENS_WALL_FOLLOW };
	mutex_lock(&wall->set);
	state = wall->state;
	mutex_unlock(&wall->set);
	return state;
}

/**
 * timens_wall_read() - what can be asked about a wall clock
 * @wall:	wall clock, NULL for the host's
 * @request:	all but its flags are set
 */
void timens_wall_read(struct timens_wall *wall, struct timens_wall_request *request)
{
	struct wall_state state = state_of(wall);

	request->mode = wall ? state.mode : TIMENS_WALL_HOST;
	request->realtime = ns_to_timespec64(offset_to_host(&state));
	request->tai = tai_of(&state);
}

/* Is this a date that the host's clock could be set to, and not below CLOCK_BOOTTIME? */
static bool valid_date(const struct timespec64 *date, const struct timespec64 *boottime_offset)
{
	struct timespec64 boottime;

	ktime_get_boottime_ts64(&boottime);
	boottime = timespec64_add(boottime, *boottime_offset);
	return timespec64_valid_settod(date) && timespec64_compare(date, &boottime) >= 0;
}

/* Changes @state as @request says. Returns 0 or -ERANGE. */
static int apply(struct wall_state *state, const struct timens_wall_request *request,
		 const struct timespec64 *boottime_offset)
{
	/* Read once: the host may be set at any time, which does not move a clock of its own. */
	const s64 boottime = boottime_to_realtime();
	s64 offset = state->offset;

	if (state->mode == TIMENS_WALL_OWN)
		offset -= boottime;
	if (request->flags & TIMENS_WALL_SET_OFFSET) {
		struct timespec64 date;

		/* With this the addition cannot overflow. */
		if (request->realtime.tv_sec > KTIME_SEC_MAX ||
		    request->realtime.tv_sec < -KTIME_SEC_MAX)
			return -ERANGE;
		ktime_get_real_ts64(&date);
		date = timespec64_add(date, request->realtime);
		if (!valid_date(&date, boottime_offset))
			return -ERANGE;
		offset = request->realtime.tv_sec * NSEC_PER_SEC + request->realtime.tv_nsec;
	}
	if (request->flags & TIMENS_WALL_SET_TAI) {
		state->own_tai = true;
		state->tai = request->tai;
	}
	state->tai = tai_of(state);
	if (request->flags & TIMENS_WALL_SET_MODE)
		state->mode = request->mode;
	state->offset = offset;
	if (request->flags & (TIMENS_WALL_SET_OFFSET | TIMENS_WALL_SET_MODE))
		state->floor = (struct timespec64){ };
	if (state->mode == TIMENS_WALL_OWN)
		state->offset += boottime;
	return 0;
}

/**
 * timens_wall_create() - a wall clock for a namespace that no task has entered
 * @ns:		the namespace
 * @from:	the clock that it has, NULL for the host's
 * @request:	what is to be different from that
 * @boottime_offset:	its offset of CLOCK_BOOTTIME
 *
 * Return: the clock with a reference, or an error pointer: -ERANGE, -ENOSPC, -ENOMEM.
 */
struct timens_wall *timens_wall_create(struct time_namespace *ns, struct timens_wall *from,
				       const struct timens_wall_request *request,
				       const struct timespec64 *boottime_offset)
{
	struct wall_state state = state_of(from);
	int err;

	err = apply(&state, request, boottime_offset);
	if (err)
		return ERR_PTR(err);
	return create(ns->user_ns, &state);
}

/**
 * timens_wall_set() - set a wall clock that tasks are on
 * @wall:	wall clock; the caller has checked the permission to do so
 * @request:	what is to be set
 * @boottime_offset:	offset of CLOCK_BOOTTIME of the namespace that asks
 *
 * Return: 0, -ERANGE.
 */
int timens_wall_set(struct timens_wall *wall, const struct timens_wall_request *request,
		    const struct timespec64 *boottime_offset)
{
	struct wall_state state;
	int err;

	guard(mutex)(&wall->set);
	state = wall->state;
	err = apply(&state, request, boottime_offset);
	if (err)
		return err;
	wall->state = state;
	publish(wall);
	return 0;
}

/**
 * timens_wall_in_range() - may CLOCK_BOOTTIME of a namespace be set?
 * @wall:	wall clock of the namespace, NULL for the host's
 * @boottime_offset:	what its offset is to be
 *
 * Return: false if the wall clock would be below it.
 */
bool timens_wall_in_range(const struct timens_wall *wall,
			  const struct timespec64 *boottime_offset)
{
	struct timespec64 date;

	if (!wall)
		return true;
	timens_wall_clock_gettime(wall, CLOCK_REALTIME, &date);
	return valid_date(&date, boottime_offset);
}

/**
 * timens_wall_capable() - may current set the clock?
 * @wall:	wall clock
 */
bool timens_wall_capable(const struct timens_wall *wall)
{
	return ns_capable(wall->user_ns, CAP_SYS_TIME);
}

/* Sets the clock to read @date when CLOCK_BOOTTIME is @boottime, as a clock of its own. */
static int set_date(struct timens_wall *wall, const struct timespec64 *date, s64 boottime)
{
	struct wall_state *state = &wall->state;

	lockdep_assert_held(&wall->set);
	if (!valid_date(date, &current->timens->by[TIMENS_BOOTTIME]))
		return -EINVAL;
	state->tai = tai_of(state);
	state->mode = TIMENS_WALL_OWN;
	state->offset = timespec64_to_ns(date) - boottime;
	state->floor = *date;
	publish(wall);
	return 0;
}

/**
 * timens_wall_settime() - clock_settime() and the like in the name of current
 * @wall:	wall clock that current is on
 * @date:	what CLOCK_REALTIME is to read
 *
 * Return: 0, -EPERM, -EINVAL as clock_settime().
 */
int timens_wall_settime(struct timens_wall *wall, const struct timespec64 *date)
{
	if (!timens_wall_capable(wall))
		return -EPERM;
	guard(mutex)(&wall->set);
	return set_date(wall, date, ktime_get_boottime_ns());
}

/* Adds what ADJ_SETOFFSET is given, which has been validated. */
static int add_offset(struct timens_wall *wall, const struct __kernel_timex *txc)
{
	struct timespec64 by = {
		.tv_sec		= txc->time.tv_sec,
		.tv_nsec	= txc->time.tv_usec,
	};
	struct timespec64 date;
	s64 boottime, offset;

	if (!(txc->modes & ADJ_NANO))
		by.tv_nsec *= NSEC_PER_USEC;
	if (by.tv_sec > KTIME_SEC_MAX || by.tv_sec < -KTIME_SEC_MAX)
		return -EINVAL;
	/* From one reading, so that nothing is lost between two. */
	offset = wall->state.offset;
	if (wall->state.mode != TIMENS_WALL_OWN)
		offset += boottime_to_realtime();
	boottime = ktime_get_boottime_ns();
	date = timespec64_add(ns_to_timespec64(boottime + offset), by);
	return set_date(wall, &date, boottime);
}

/* What can be steered only together with the rate of a clock, which is the host's. */
static bool is_steered(const struct __kernel_timex *txc)
{
	if (txc->modes & ADJ_ADJTIME)
		return !(txc->modes & ADJ_OFFSET_READONLY) && txc->offset;
	return (txc->modes & ADJ_FREQUENCY && txc->freq) ||
	       (txc->modes & ADJ_TICK && txc->tick != NOMINAL_TICK_US) ||
	       (txc->modes & ADJ_OFFSET && txc->offset) ||
	       (txc->modes & ADJ_STATUS && txc->status & (STA_INS | STA_DEL));
}

static void set_ntp(struct timens_wall *wall, const struct __kernel_timex *txc)
{
	if (txc->modes & ADJ_STATUS)
		wall->ntp.status = (wall->ntp.status & STA_RONLY) | (txc->status & ~STA_RONLY);
	if (txc->modes & ADJ_NANO)
		wall->ntp.status |= STA_NANO;
	if (txc->modes & ADJ_MICRO)
		wall->ntp.status &= ~STA_NANO;
	if (txc->modes & ADJ_MAXERROR)
		wall->ntp.maxerror = clamp(txc->maxerror, 0, NTP_PHASE_LIMIT);
	if (txc->modes & ADJ_ESTERROR)
		wall->ntp.esterror = clamp(txc->esterror, 0, NTP_PHASE_LIMIT);
	if (txc->modes & ADJ_TIMECONST) {
		long constant = clamp(txc->constant, 0, MAXTC);

		if (!(wall->ntp.status & STA_NANO))
			constant += 4;
		wall->ntp.constant = min(constant, MAXTC);
	}
	if (txc->modes & ADJ_TAI && txc->constant >= 0 && txc->constant <= TIMENS_MAX_TAI) {
		wall->state.own_tai = true;
		wall->state.tai = txc->constant;
		publish(wall);
	}
}

static void get_ntp(struct timens_wall *wall, struct __kernel_timex *txc)
{
	struct timespec64 now;

	timens_wall_clock_gettime(wall, CLOCK_REALTIME, &now);
	txc->offset = 0;
	txc->freq = 0;
	txc->maxerror = wall->ntp.maxerror;
	txc->esterror = wall->ntp.esterror;
	txc->status = wall->ntp.status;
	txc->constant = wall->ntp.constant;
	txc->precision = 1;
	txc->tolerance = MAXFREQ_SCALED / PPM_SCALE;
	txc->tick = NOMINAL_TICK_US;
	txc->tai = tai_of(&wall->state);
	txc->ppsfreq = 0;
	txc->jitter = 0;
	txc->shift = 0;
	txc->stabil = 0;
	txc->jitcnt = 0;
	txc->calcnt = 0;
	txc->errcnt = 0;
	txc->stbcnt = 0;
	txc->time.tv_sec = now.tv_sec;
	txc->time.tv_usec = now.tv_nsec;
	if (!(wall->ntp.status & STA_NANO))
		txc->time.tv_usec /= NSEC_PER_USEC;
}

/**
 * timens_wall_adjtimex() - adjtimex() and clock_adjtime() in the name of current
 * @wall:	wall clock that current is on
 * @txc:	validated, with the permission that it needs
 *
 * The clock is set and what describes it is kept. It runs at the rate of the host's: a
 * request to steer it is refused, unless it asks for what is.
 *
 * Return: the state of the clock, -EOPNOTSUPP, -EINVAL.
 */
int timens_wall_adjtimex(struct timens_wall *wall, struct __kernel_timex *txc)
{
	int err;

	if (is_steered(txc))
		return -EOPNOTSUPP;

	guard(mutex)(&wall->set);
	/* First what can fail. */
	if (txc->modes & ADJ_SETOFFSET) {
		err = add_offset(wall, txc);
		if (err)
			return err;
	}
	if (!(txc->modes & ADJ_ADJTIME))
		set_ntp(wall, txc);
	get_ntp(wall, txc);
	return wall->ntp.status & (STA_UNSYNC | STA_CLOCKERR) ? TIME_ERROR : TIME_OK;
}
