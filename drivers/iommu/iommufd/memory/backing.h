/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * A backing is an array of pages that mappings show: a piece of a process's
 * memory or of a file.  Any number of areas, in any number of address spaces of
 * one file, can show slices of one backing (IOMMU_IOAS_COPY); every page of it is
 * pinned at most once whoever uses it, and unpinned exactly once.
 *
 * Users take a *use* of a range of pages by iommufd_backing_pin() and give the
 * same range back by iommufd_backing_unpin(), which never fails and allocates
 * nothing.  A backing that is used whole, the usual case, keeps its runs itself; the
 * first use of a part turns the pinned pages into segments (segments.h), and uses of single
 * pages stand in a table (singles.h).
 *
 * Order of danger: charge -> pin is one step here; the caller maps into IOMMUs
 * after iommufd_backing_pin() has returned and has flushed the IOTLB before it
 * calls iommufd_backing_unpin().
 *
 * Lock: &iommufd_backing.lock, a mutex of one bit, taken below the IOVA-space lock and above
 * the mmap lock (pinning).  It protects what is pinned.  Everything declared here takes
 * it where needed, except the walk over the runs, whose caller holds it, since another
 * user may split a segment.
 */
#ifndef __IOMMUFD_MEMORY_BACKING_H
#define __IOMMUFD_MEMORY_BACKING_H

#include <linux/refcount.h>
#include <linux/types.h>
#include "../lib/bit_mutex.h"
#include "../lib/pfn_runs.h"

struct device;
struct iommufd_accounts;
struct iommufd_backing;
struct iommufd_log;
struct iommufd_parts;
struct iommufd_payer;
struct iommufd_segment;
struct page;

/**
 * struct iommufd_backing_ops - what differs by origin
 * @name: for fdinfo
 * @movable: CHANGE_PROCESS can move the charge to another process; the backing is then
 *	     embedded in a &struct iommufd_movable_backing (origin.h)
 * @revocable: device memory: never pinned nor charged, embedded in a &struct
 *	       iommufd_revocable (revocable.h), and @pin is never called
 * @has_room: IOMMUFD_BACKING_ROOM bytes behind the backing are for its first area
 * @by_offset: the backing's place is a @pgoff in a file, not a @uva of a process
 * @pin: pin pages @first .. @first + @npages - 1 (long term, writable if the backing
 *	 is) and append them to @runs, which is empty before; on failure some may have
 *	 been appended: the caller unpins what is in @runs.  May sleep, may fault, is
 *	 killable.  -EFAULT, -ENOMEM, -EINTR, ... with a reason noted
 * @unpin: optional: give back all pages in @runs and empty it, @dirty when they may
 *	   have been written; iommufd_unpin_runs() when there is none
 * @copy: optional: copy without pinning, see iommufd_backing_rw(); not into a backing that
 *	  is not writable.  False when it did not do everything, or shall not, because the
 *	  flags ask for the slow path.  Pages are pinned for it then.  No lock is held
 * @release: drop what the origin holds (file reference); optional
 */
struct iommufd_backing_ops {
	const char *name;
	bool movable;
	bool revocable;
	bool has_room;
	bool by_offset;
	int (*pin)(struct iommufd_backing *backing, unsigned long first,
		   unsigned long npages, struct pfn_runs *runs,
		   struct iommufd_log *log);
	void (*unpin)(struct iommufd_backing *backing, struct pfn_runs *runs,
		      bool dirty);
	bool (*copy)(struct iommufd_backing *backing, unsigned long offset,
		     void *data, unsigned long length, unsigned int flags);
	void (*release)(struct iommufd_backing *backing);
};

/**
 * struct iommufd_backing - a shareable array of pages
 * @refs: areas and calls that hold it
 * @whole_uses: uses of the whole, while not in parts
 * @lock: protects @whole_uses, @whole_runs, @parts, @payer, and whether it is in parts.
 *	  Its word has the length and enum iommufd_backing_bits, too
 * @ops: by origin
 * @payer: who pays; changed only by CHANGE_PROCESS, and only if @ops->movable; NULL
 *	   for device memory, which is free
 * @whole_runs: all pages if @whole_uses, empty if not; while not in parts
 * @parts: what is used, while in parts
 * @uva: first byte of the first page in the mapper's address space
 * @pgoff: first page in the file, if @ops->by_offset
 */
struct iommufd_backing {
	refcount_t refs;
	unsigned int whole_uses;
	struct bit_mutex lock; /* what is pinned */
	const struct iommufd_backing_ops *ops;
	struct iommufd_payer *payer;
	union {
		struct pfn_runs whole_runs;
		struct iommufd_parts *parts;
	};
	union {
		unsigned long uva;
		unsigned long pgoff;
	};
};

/**
 * enum iommufd_backing_bits - bits of a backing in the word of its lock
 * @IOMMUFD_BACKING_IN_PARTS: a part is or was used alone; the lock
 * @IOMMUFD_BACKING_WRITABLE: pages are pinned for writing; mappings may be writable.
 *			      Constant
 */
enum iommufd_backing_bits {
	IOMMUFD_BACKING_IN_PARTS = 1,
	IOMMUFD_BACKING_WRITABLE = 2,
};

/* Constant.  All that an unsigned long can address has its place above the bits. */
static inline unsigned long iommufd_backing_npages(const struct iommufd_backing *backing)
{
	static_assert(PAGE_SHIFT > BIT_MUTEX_BITS);
	return READ_ONCE(backing->lock.word) >> BIT_MUTEX_BITS;
}

static inline bool iommufd_backing_writable(const struct iommufd_backing *backing)
{
	return test_bit(IOMMUFD_BACKING_WRITABLE, &backing->lock.word);
}

static inline bool iommufd_backing_in_parts(const struct iommufd_backing *backing)
{
	return test_bit(IOMMUFD_BACKING_IN_PARTS, &backing->lock.word);
}

static inline void iommufd_backing_set_in_parts(struct iommufd_backing *backing,
						bool in_parts)
{
	assign_bit(IOMMUFD_BACKING_IN_PARTS, &backing->lock.word, in_parts);
}

/*
 * Most backings are shown by a single area, which the one that makes the backing may put
 * in the same piece of memory.  It stays reserved until the backing goes.
 */
#define IOMMUFD_BACKING_ROOM 80

/* NULL if there is none. */
static inline void *iommufd_backing_room(struct iommufd_backing *backing)
{
	return backing->ops->has_room ? backing + 1 : NULL;
}

/* Whose room is this? */
static inline struct iommufd_backing *iommufd_backing_of_room(void *room)
{
	return (struct iommufd_backing *)room - 1;
}

/* What the origins allocate from. */
int iommufd_backing_user_init(void);
void iommufd_backing_user_exit(void);

/*
 * Make a backing for memory of the running process (@uptr .. @uptr + @length - 1,
 * any byte alignment; the caller keeps uptr % PAGE_SIZE as the offset of its area) or
 * of a file.  Nothing is pinned yet, the memory need not exist.  One reference.
 *
 * iommufd_backing_user(): -EOVERFLOW when the end wraps, -EINVAL for length 0, -ENOMEM.
 * iommufd_backing_file(): takes its own reference on the file; -EBADF (no such fd),
 * -EACCES (not open for reading, or not for writing if @writable), -EINVAL for a file
 * that is neither shmem nor hugetlbfs or a range past its end, -EPERM for a writable
 * mapping of a write-sealed memfd, -EOVERFLOW, -ENOMEM.  While a writable one lives the
 * file cannot be sealed against writing, as with mmap().
 * iommufd_backing_mmio(): out of a BAR that the running process has mapped through
 * VFIO, not looked at yet; NULL when @uptr is something else, -ENOMEM.
 * iommufd_backing_dmabuf(): out of a dma-buf, which has to be there; NULL when @fd is
 * something else, -EOVERFLOW, -EINVAL past its end, -ENODEV while it is revoked, -EOPNOTSUPP
 * when it is not one piece of a BAR exported by vfio-pci, -ENOMEM.  @importer stands
 * for iommufd before the exporter.
 */
struct iommufd_backing *iommufd_backing_user(struct iommufd_accounts *accounts,
					     unsigned long uptr,
					     unsigned long length,
					     bool writable,
					     struct iommufd_log *log);
struct iommufd_backing *iommufd_backing_file(struct iommufd_accounts *accounts,
					     int fd, u64 start,
					     unsigned long length,
					     bool writable,
					     struct iommufd_log *log);

struct iommufd_backing *iommufd_backing_mmio(unsigned long uptr,
					     unsigned long length, bool writable);
bool iommufd_backing_mmio_is_same(const struct iommufd_backing *backing,
				  const struct iommufd_backing *other,
				  unsigned long first);
struct iommufd_backing *iommufd_backing_dmabuf(struct device *importer, int fd,
					       u64 start, unsigned long length,
					       bool writable,
					       struct iommufd_log *log);

static inline struct iommufd_backing *
iommufd_backing_get(struct iommufd_backing *backing)
{
	refcount_inc(&backing->refs);
	return backing;
}

/* May sleep.  The last put finds no use left (WARN otherwise) and frees. */
void iommufd_backing_put(struct iommufd_backing *backing);

/*
 * Take one use of @npages pages from @first.  Pages that are not pinned yet are
 * charged and pinned now.  0, or a negative errno with the reason noted and nothing
 * changed: -ENOMEM (limit, memory), -EFAULT (no such memory, not writable, the
 * process is gone), -EINTR (killed), -EINVAL, -EOVERFLOW (too many uses).  @pages is
 * filled with the pages.
 */
int iommufd_backing_pin_pages(struct iommufd_backing *backing,
			      unsigned long first, unsigned long npages,
			      struct page **pages, struct iommufd_log *log);

static inline int iommufd_backing_pin(struct iommufd_backing *backing,
				      unsigned long first, unsigned long npages,
				      struct iommufd_log *log)
{
	return iommufd_backing_pin_pages(backing, first, npages, NULL, log);
}

/* The same, the first time and for all pages, before anybody else knows the backing. */
int iommufd_backing_pin_new(struct iommufd_backing *backing, struct iommufd_log *log);

/* Give exactly the same range back.  Cannot fail; pages without a use are unpinned. */
void iommufd_backing_unpin(struct iommufd_backing *backing, unsigned long first,
			   unsigned long npages);
/*
 * A use that moves to another backing of the same pages: the new one takes all of its
 * pages, the old one gives its use back, and a limit they share is not counted twice in
 * between.  Either can be given back.  Nobody else uses the old one.
 */
int iommufd_backing_pin_for(struct iommufd_backing *backing,
			    const struct iommufd_backing *other,
			    struct iommufd_log *log);
void iommufd_backing_unpin_for(struct iommufd_backing *backing,
			       unsigned long first, unsigned long npages,
			       const struct iommufd_backing *other);
/**
 * struct iommufd_backing_walk - a walk over pinned pages
 * @it: its run is the current piece
 *
 * Others are private.
 */
struct iommufd_backing_walk {
	struct pfn_runs_iter it;
	/* private: */
	struct iommufd_segment *segment;
	unsigned long left;
};

/*
 * Walk the runs of pages on which the caller holds a use.  &iommufd_backing.lock
 * held throughout.  Pieces are in page order; contiguous neighbours are merged only
 * within a segment.
 */
bool iommufd_backing_walk_first(struct iommufd_backing_walk *walk,
				struct iommufd_backing *backing,
				unsigned long first, unsigned long npages);
/* Enter the next segment; false when there is none. */
bool iommufd_backing_walk_segment(struct iommufd_backing_walk *walk);

static inline bool iommufd_backing_walk_next(struct iommufd_backing_walk *walk)
{
	return pfn_runs_next(&walk->it) || iommufd_backing_walk_segment(walk);
}

#define iommufd_backing_for_each_run(walk, backing, first, npages)             \
	for (bool __more = iommufd_backing_walk_first(walk, backing, first,    \
						      npages);                 \
	     __more; __more = iommufd_backing_walk_next(walk))

/*
 * The first stretch of pages from *@first to @end that have more than @uses uses; *@first
 * is moved to it.  Number of pages, 0 when there is none.  &iommufd_backing.lock held.
 */
unsigned long iommufd_backing_next_shared(struct iommufd_backing *backing,
					  unsigned int uses,
					  unsigned long *first,
					  unsigned long end);

/* Are all pages of @backing those of @other from @first on?  Both are pinned. */
bool iommufd_backing_is_same(struct iommufd_backing *backing,
			     struct iommufd_backing *other, unsigned long first);
/* Has the running process mapped files there, shared, where the backing takes its pages? */
bool iommufd_backing_is_shared_file(const struct iommufd_backing *backing);

/*
 * Copy @length bytes between @data and the backing from byte @offset (of its first
 * page).  @flags: IOMMUFD_ACCESS_RW_* of <linux/iommufd.h>.  Pins for the time of the copy
 * only, or uses what is pinned.  -EPERM writing to a read-only backing, -EFAULT,
 * -ENOMEM, -EINTR.
 */
int iommufd_backing_rw(struct iommufd_backing *backing, unsigned long offset,
		       void *data, unsigned long length, unsigned int flags,
		       struct iommufd_log *log);

/*
 * CHANGE_PROCESS, for each backing in turn, with every way to reach them locked out:
 * prepare charges @payer for what is pinned (-ENOMEM; -EINVAL when the backing cannot
 * move; 0 at once when it is prepared already or pays already), then all are either
 * committed or aborted; both cannot fail and may be called on one not prepared.
 */
int iommufd_backing_move_prepare(struct iommufd_backing *backing,
				 struct iommufd_payer *payer,
				 struct iommufd_log *log);
void iommufd_backing_move_commit(struct iommufd_backing *backing);
void iommufd_backing_move_abort(struct iommufd_backing *backing);
#endif
