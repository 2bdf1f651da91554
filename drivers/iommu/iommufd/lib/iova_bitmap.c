// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Dirty bits, delivered into a bitmap in user memory
 *
 * A bitmap describes a range of IOVA: bit i stands for @page_size bytes from
 * iova + i * page_size on. iova_bitmap_for_each() cuts the range into windows,
 * pins the user pages behind one window, and calls a function that finds the
 * dirty parts and reports them with iova_bitmap_set(). So:
 *
 * - However large the range is, at most one window is pinned.
 * - The pages are there before the function looks for dirty bits. A bitmap that
 *   is not writable is noticed before the function can clear anything.
 * - Bits are only ever set. What user memory held before stays.
 * - A report is never cut at a window's edge: the part outside is delivered at
 *   once through pages that are pinned for the moment. Windows end at multiples
 *   of a large power of two so that this is rare, or close to them for the next
 *   point. Only what lies outside the whole range is dropped, it has no bit.
 * - A window begins with a whole u64 of the bitmap. Devices have bitmaps of their
 *   own, and drivers that fetch them can do so in pieces of that.
 *
 * There are no locks: a bitmap belongs to one call of one thread, whose memory
 * it writes. Nothing of iommufd is used, drivers can have this module alone.
 */
#include <linux/bits.h>
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/highmem.h>
#include <linux/iova_bitmap.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

/*
 * The array of page pointers is one page long and holds twice as many pages as
 * the bits of a window fill. The surplus is for a bitmap that begins somewhere
 * in a page.
 */
#define WINDOW_MAX_PAGES (PAGE_SIZE / sizeof(struct page *))
#define WINDOW_BITS (WINDOW_MAX_PAGES / 2 * PAGE_SIZE * BITS_PER_BYTE)

/* Bits that are delivered outside a window in one go, and their pages. */
#define DETACHED_BITS (PAGE_SIZE * BITS_PER_BYTE)
#define DETACHED_MAX_PAGES 2

#define BITS_PER_U64 ((unsigned long)BITS_PER_TYPE(u64))

/*
 * User space sees an array of u64. Byte n of the bits is byte n of the array
 * where the least significant byte comes first; elsewhere the eight bytes of
 * each u64 stand in opposite order.
 */
#ifdef __BIG_ENDIAN
#define BYTE_ORDER_FLIP 7UL
#else
#define BYTE_ORDER_FLIP 0UL
#endif

/**
 * struct pinned_bits - Pages behind some bits
 * @pages: In the order of user addresses
 * @npages: How many; 0 when nothing is pinned
 * @addr: User address at which the first page begins
 * @first: First bit that may be set through the pages
 * @last: Last bit, inclusive
 */
struct pinned_bits {
	struct page **pages;
	unsigned long npages;
	unsigned long addr;
	unsigned long first;
	unsigned long last;
};

/**
 * struct iova_bitmap - A bitmap in user memory
 * @iova: What bit 0 stands for
 * @iova_last: Last byte of the range, inclusive
 * @shift: Exponent of the bytes that a bit stands for
 * @data: User address of the array of u64
 * @window: What is pinned while a function of iova_bitmap_for_each() runs
 * @detached_rc: First error of a delivery outside the window, 0 if none
 */
struct iova_bitmap {
	unsigned long iova;
	unsigned long iova_last;
	unsigned int shift;
	unsigned long data;
	struct pinned_bits window;
	int detached_rc;
};

static unsigned long iova_to_bit(const struct iova_bitmap *bitmap,
				 unsigned long iova)
{
	return (iova - bitmap->iova) >> bitmap->shift;
}

/* User address of the byte that holds bits 8 * @nth to 8 * @nth + 7. */
static unsigned long byte_to_addr(const struct iova_bitmap *bitmap,
				  unsigned long nth)
{
	return bitmap->data + (nth ^ BYTE_ORDER_FLIP);
}

static void pinned_bits_release(struct pinned_bits *pin)
{
	if (pin->npages)
		unpin_user_pages_dirty_lock(pin->pages, pin->npages, true);
	pin->npages = 0;
}

/*
 * Pin what holds bits @first to @last. Fails with -EFAULT if user space has not
 * given writable memory there; then nothing is pinned.
 */
static int pinned_bits_take(struct pinned_bits *pin,
			    const struct iova_bitmap *bitmap,
			    unsigned long first, unsigned long last)
{
	unsigned long from, to, npages;
	int got;

	from = bitmap->data + (first / BITS_PER_BYTE & ~BYTE_ORDER_FLIP);
	to = bitmap->data + (last / BITS_PER_BYTE | BYTE_ORDER_FLIP);
	npages = (to >> PAGE_SHIFT) - (from >> PAGE_SHIFT) + 1;

	pin->addr = from & PAGE_MASK;
	pin->first = first;
	pin->last = last;
	pin->npages = 0;
	while (pin->npages < npages) {
		got = pin_user_pages_fast(pin->addr + pin->npages * PAGE_SIZE,
					  npages - pin->npages, FOLL_WRITE,
					  pin->pages + pin->npages);
		if (got <= 0) {
			pinned_bits_release(pin);
			return got ?: -EFAULT;
		}
		pin->npages += got;
	}
	return 0;
}

/* Set the bits of @mask in the @nth byte. */
static void pinned_byte_set(const struct pinned_bits *pin,
			    const struct iova_bitmap *bitmap,
			    unsigned long nth, u8 mask)
{
	unsigned long offset = byte_to_addr(bitmap, nth) - pin->addr;
	struct page *page = pin->pages[offset >> PAGE_SHIFT];
	u8 *kaddr = kmap_local_page(page);

	kaddr[offset_in_page(offset)] |= mask;
	flush_dcache_page(page);
	kunmap_local(kaddr);
}

/* Set all bits of @nbytes bytes. */
static void pinned_bytes_fill(const struct pinned_bits *pin,
			      const struct iova_bitmap *bitmap,
			      unsigned long nth, unsigned long nbytes)
{
	unsigned long offset;
	size_t chunk;

	while (BYTE_ORDER_FLIP && nbytes) {
		pinned_byte_set(pin, bitmap, nth++, U8_MAX);
		nbytes--;
	}
	offset = byte_to_addr(bitmap, nth) - pin->addr;
	for (; nbytes; nbytes -= chunk, offset += chunk) {
		chunk = min(nbytes, PAGE_SIZE - offset_in_page(offset));
		memset_page(pin->pages[offset >> PAGE_SHIFT],
			    offset_in_page(offset), U8_MAX, chunk);
	}
}

static void pinned_bits_set(const struct pinned_bits *pin,
			    const struct iova_bitmap *bitmap,
			    unsigned long first, unsigned long last)
{
	unsigned long head = first / BITS_PER_BYTE;
	unsigned long tail = last / BITS_PER_BYTE;
	u8 head_mask = GENMASK(BITS_PER_BYTE - 1, first % BITS_PER_BYTE);
	u8 tail_mask = GENMASK(last % BITS_PER_BYTE, 0);

	if (head == tail) {
		pinned_byte_set(pin, bitmap, head, head_mask & tail_mask);
		return;
	}
	pinned_byte_set(pin, bitmap, head, head_mask);
	pinned_bytes_fill(pin, bitmap, head + 1, tail - head - 1);
	pinned_byte_set(pin, bitmap, tail, tail_mask);
}

/* Deliver bits that are not in the window. An error is kept for the caller. */
static void detached_set(struct iova_bitmap *bitmap, unsigned long first,
			 unsigned long last)
{
	struct page *pages[DETACHED_MAX_PAGES];
	struct pinned_bits pin = { .pages = pages };
	unsigned long end;
	int rc;

	for (; first <= last; first = end + 1) {
		end = min(last, first | (DETACHED_BITS - 1));
		rc = pinned_bits_take(&pin, bitmap, first, end);
		if (rc) {
			bitmap->detached_rc = bitmap->detached_rc ?: rc;
			return;
		}
		pinned_bits_set(&pin, bitmap, first, end);
		pinned_bits_release(&pin);
	}
}

/**
 * iova_bitmap_alloc() - Describe a bitmap in the memory of the caller
 * @iova: Address that bit 0 stands for
 * @length: Bytes of the range, at least 1
 * @page_size: Bytes that each bit stands for, a power of two
 * @data: The array of u64; it need not be aligned
 *
 * User memory is not touched yet.
 *
 * Context: Process context, may sleep.
 * Return: The bitmap, or an ERR_PTR: -EINVAL for an empty range or a bad
 * @page_size, -EOVERFLOW if the range wraps, -EFAULT if the array would, -ENOMEM.
 */
struct iova_bitmap *iova_bitmap_alloc(unsigned long iova, size_t length,
				      unsigned long page_size,
				      u64 __user *data)
{
	struct iova_bitmap *bitmap __free(kfree) = NULL;
	unsigned long iova_last, addr_last, nbytes;

	if (!length || !is_power_of_2(page_size))
		return ERR_PTR(-EINVAL);
	if (check_add_overflow(iova, length - 1, &iova_last))
		return ERR_PTR(-EOVERFLOW);
	nbytes = ((length - 1) >> ilog2(page_size)) / BITS_PER_BYTE + 1;
	if (check_add_overflow((unsigned long)data, nbytes + BYTE_ORDER_FLIP,
			       &addr_last))
		return ERR_PTR(-EFAULT);

	bitmap = kzalloc_obj(*bitmap, GFP_KERNEL_ACCOUNT);
	if (!bitmap)
		return ERR_PTR(-ENOMEM);
	bitmap->window.pages = (void *)__get_free_page(GFP_KERNEL_ACCOUNT);
	if (!bitmap->window.pages)
		return ERR_PTR(-ENOMEM);
	bitmap->iova = iova;
	bitmap->iova_last = iova_last;
	bitmap->shift = ilog2(page_size);
	bitmap->data = (unsigned long)data;
	return no_free_ptr(bitmap);
}
EXPORT_SYMBOL_NS_GPL(iova_bitmap_alloc, "IOMMUFD");

/**
 * iova_bitmap_free() - Undo iova_bitmap_alloc()
 * @bitmap: The bitmap, not in use by iova_bitmap_for_each()
 *
 * Context: Process context, may sleep.
 */
void iova_bitmap_free(struct iova_bitmap *bitmap)
{
	pinned_bits_release(&bitmap->window);
	free_page((unsigned long)bitmap->window.pages);
	kfree(bitmap);
}
EXPORT_SYMBOL_NS_GPL(iova_bitmap_free, "IOMMUFD");

/* Last bit of the window that begins at @first; @last is that of the range. */
static unsigned long window_end(const struct iova_bitmap *bitmap,
				unsigned long first, unsigned long last)
{
	unsigned long base = bitmap->iova >> bitmap->shift & ~(BITS_PER_U64 - 1);

	return min(last, ((base + first) | (WINDOW_BITS - 1)) - base);
}

static int window_walk(struct iova_bitmap *bitmap, unsigned long first,
		       unsigned long last, iova_bitmap_fn_t fn, void *opaque)
{
	unsigned long iova = bitmap->iova + (first << bitmap->shift);
	unsigned long iova_last;
	int rc;

	if (last == iova_to_bit(bitmap, bitmap->iova_last))
		iova_last = bitmap->iova_last;
	else
		iova_last = bitmap->iova + ((last + 1) << bitmap->shift) - 1;

	rc = pinned_bits_take(&bitmap->window, bitmap, first, last);
	if (rc)
		return rc;
	rc = fn(bitmap, iova, iova_last - iova + 1, opaque);
	pinned_bits_release(&bitmap->window);
	return rc ?: bitmap->detached_rc;
}

/**
 * iova_bitmap_for_each() - Call a function for each window of a bitmap
 * @bitmap: The bitmap
 * @opaque: Given to @fn
 * @fn: Gets first address and bytes of the window, and reports what is dirty
 *      there with iova_bitmap_set(). A result other than 0 ends the walk
 *
 * Windows come in ascending order and cover the range without gap or overlap.
 *
 * Context: Process context of the owner of the memory, may sleep and take the
 * mmap lock.
 * Return: 0; what @fn returned; -EFAULT if the bitmap is not writable, in which
 * case the windows before the one concerned are complete; -EINTR if the process
 * is being killed; -ENOMEM.
 */
int iova_bitmap_for_each(struct iova_bitmap *bitmap, void *opaque,
			 iova_bitmap_fn_t fn)
{
	unsigned long last = iova_to_bit(bitmap, bitmap->iova_last);
	unsigned long first, end;
	int rc;

	bitmap->detached_rc = 0;
	for (first = 0;; first = end + 1) {
		end = window_end(bitmap, first, last);
		rc = window_walk(bitmap, first, end, fn, opaque);
		if (rc || end == last)
			return rc;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
}
EXPORT_SYMBOL_NS_GPL(iova_bitmap_for_each, "IOMMUFD");

/**
 * iova_bitmap_set() - Report a dirty range
 * @bitmap: The bitmap
 * @iova: First dirty address
 * @length: Dirty bytes
 *
 * Sets each bit whose bytes the range touches. The range may exceed the window,
 * in which case the rest is delivered as well, and the bitmap, in which case the
 * rest has no bit. If user memory turns out to be missing outside the window,
 * iova_bitmap_for_each() returns the error.
 *
 * Context: From the function that iova_bitmap_for_each() calls. Does not sleep
 * as long as the range lies in the window that function was given.
 */
void iova_bitmap_set(struct iova_bitmap *bitmap, unsigned long iova,
		     size_t length)
{
	const struct pinned_bits *window = &bitmap->window;
	unsigned long first, last, iova_last;

	if (!length)
		return;
	if (check_add_overflow(iova, length - 1, &iova_last))
		iova_last = ULONG_MAX;
	if (iova > bitmap->iova_last || iova_last < bitmap->iova)
		return;

	first = iova_to_bit(bitmap, max(iova, bitmap->iova));
	last = iova_to_bit(bitmap, min(iova_last, bitmap->iova_last));
	if (!window->npages || last < window->first || first > window->last) {
		detached_set(bitmap, first, last);
		return;
	}

	if (first < window->first)
		detached_set(bitmap, first, window->first - 1);
	pinned_bits_set(window, bitmap, max(first, window->first),
			min(last, window->last));
	if (last > window->last)
		detached_set(bitmap, window->last + 1, last);
}
EXPORT_SYMBOL_NS_GPL(iova_bitmap_set, "IOMMUFD");

MODULE_DESCRIPTION("Dirty bitmaps in user memory");
MODULE_LICENSE("GPL");
