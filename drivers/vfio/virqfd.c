// SPDX-License-Identifier: GPL-2.0-only
/*
 * Eventfds that call into a driver when they are signalled.
 *
 * A virqfd hangs on the wait queue of a user's eventfd.  A signal calls the
 * driver's @handler at once, in the signaller's context with interrupts off; if
 * that asks for it, @thread follows from a worker.  KVM and vfio-pci use this to
 * unmask an interrupt or to write a doorbell without a way through user space.
 *
 * A virqfd ends in one of two ways, and either may come first: the driver
 * disables it, or the last file of the eventfd is closed, which the wait queue
 * reports from a context that cannot sleep.  Both take it out of the driver's
 * slot; who takes it out queues @shutdown, which takes it off the wait queue,
 * waits for @thread and frees it.  All shutdowns run on one ordered workqueue,
 * so flushing that queue waits for every one of them, whoever queued it.
 *
 * Locks: virqfd_slot_lock protects every slot, a driver's pointer to a virqfd,
 * whose address stands in @pvirqfd.  It is taken inside the lock of the eventfd's
 * wait queue, and nothing is taken inside it.
 *
 * Calls nothing of the other rooms.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#include <linux/cleanup.h>
#include <linux/eventfd.h>
#include <linux/export.h>
#include <linux/file.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/vfio.h>
#include <linux/workqueue.h>

#include "virqfd.h"

static DEFINE_SPINLOCK(virqfd_slot_lock);
static struct workqueue_struct *virqfd_shutdown_wq;

static void virqfd_shutdown_work(struct work_struct *work)
{
	struct virqfd *self = from_work(self, work, shutdown);
	u64 ignored;

	/* From here on no signal reaches the handler, so none queues @inject. */
	eventfd_ctx_remove_wait_queue(self->eventfd, &self->wait, &ignored);
	flush_work(&self->inject);
	eventfd_ctx_put(self->eventfd);
	kfree(self);
}

static void virqfd_inject_work(struct work_struct *work)
{
	struct virqfd *self = from_work(self, work, inject);

	self->thread(self->opaque, self->data);
}

static void virqfd_flush_inject_work(struct work_struct *work)
{
	struct virqfd *self = from_work(self, work, flush_inject);

	flush_work(&self->inject);
}

/* The slot lets go of @self; the first to see to that has it freed. */
static void virqfd_leave_slot(struct virqfd *self)
{
	lockdep_assert_held(&virqfd_slot_lock);

	*self->pvirqfd = NULL;
	queue_work(virqfd_shutdown_wq, &self->shutdown);
}

static int virqfd_enter_slot(struct virqfd *self)
{
	guard(spinlock_irq)(&virqfd_slot_lock);
	if (*self->pvirqfd)
		return -EBUSY;
	*self->pvirqfd = self;
	return 0;
}

static void virqfd_signalled(struct virqfd *self)
{
	bool wants_thread = true;

	if (self->handler)
		wants_thread = self->handler(self->opaque, self->data);
	if (wants_thread && self->thread)
		schedule_work(&self->inject);
}

/* Runs with the lock of the eventfd's wait queue held and interrupts off. */
static int virqfd_wake(wait_queue_entry_t *wait, unsigned int mode, int sync,
		       void *key)
{
	struct virqfd *self = container_of(wait, struct virqfd, wait);
	const __poll_t events = key_to_poll(key);
	u64 ignored;

	if (events & EPOLLIN) {
		/* Reset the counter, that many signals can never fill it. */
		eventfd_ctx_do_read(self->eventfd, &ignored);
		virqfd_signalled(self);
	}

	if (events & EPOLLHUP) {
		guard(spinlock_irqsave)(&virqfd_slot_lock);
		/* Not if the driver disabled it, or even enabled a new one. */
		if (*self->pvirqfd == self)
			virqfd_leave_slot(self);
	}
	return 0;
}

static void virqfd_hang_on(struct file *eventfd, wait_queue_head_t *queue,
			   poll_table *table)
{
	struct virqfd *self = container_of(table, struct virqfd, pt);

	add_wait_queue(queue, &self->wait);
}

/* A virqfd like @template, ready to hang on its eventfd; it owns that. */
static struct virqfd *virqfd_create(const struct virqfd *template)
{
	struct virqfd *self;

	self = kmemdup(template, sizeof(*template), GFP_KERNEL_ACCOUNT);
	if (!self) {
		eventfd_ctx_put(template->eventfd);
		return NULL;
	}

	init_poll_funcptr(&self->pt, virqfd_hang_on);
	init_waitqueue_func_entry(&self->wait, virqfd_wake);
	INIT_WORK(&self->flush_inject, virqfd_flush_inject_work);
	INIT_WORK(&self->inject, virqfd_inject_work);
	INIT_WORK(&self->shutdown, virqfd_shutdown_work);
	return self;
}

/* Undo virqfd_create() of one that is not on the wait queue. */
static void virqfd_destroy(struct virqfd *self)
{
	eventfd_ctx_put(self->eventfd);
	kfree(self);
}

/**
 * vfio_virqfd_enable - Let an eventfd call into a driver
 * @context: First argument of both callbacks
 * @handler: Called for each signal, in atomic context; returns nonzero if
 *           @thread is to be called as well.  NULL calls only @thread.
 * @thread: Called from a worker after @handler, or NULL
 * @data: Second argument of both callbacks
 * @slot: Where the driver keeps the virqfd: NULL before the call, and NULL again
 *        as soon as the user closes the eventfd.  The place must stay until
 *        vfio_virqfd_disable() was called on it.
 * @fd: The caller's file descriptor of the eventfd
 *
 * If the eventfd is in the signalled state, the driver is called at once.
 *
 * Context: May sleep.  The driver serialises enable and disable of one @slot.
 * Return: 0; -EBADF when @fd is not open, -EINVAL when it is not an eventfd,
 * -EBUSY when @slot has a virqfd already, -ENOMEM.
 */
int vfio_virqfd_enable(void *context, int (*handler)(void *, void *),
		       void (*thread)(void *, void *), void *data,
		       struct virqfd **slot, int fd)
{
	struct virqfd template = {
		.handler = handler,
		.thread = thread,
		.opaque = context,
		.data = data,
		.pvirqfd = slot,
	};
	/* The file stays open, so nothing hangs up before we are through. */
	CLASS(fd, file)(fd);
	struct virqfd *self;
	int rc;

	if (fd_empty(file))
		return -EBADF;
	template.eventfd = eventfd_ctx_fileget(fd_file(file));
	if (IS_ERR(template.eventfd))
		return PTR_ERR(template.eventfd);

	self = virqfd_create(&template);
	if (!self)
		return -ENOMEM;

	rc = virqfd_enter_slot(self);
	if (rc) {
		virqfd_destroy(self);
		return rc;
	}

	if (vfs_poll(fd_file(file), &self->pt) & EPOLLIN)
		virqfd_signalled(self);
	return 0;
}
EXPORT_SYMBOL_GPL(vfio_virqfd_enable);

/**
 * vfio_virqfd_disable - End what vfio_virqfd_enable() began
 * @slot: Where the driver keeps the virqfd; it may hold NULL
 *
 * When it returns, no callback for @slot runs or will run, whether it was this
 * call that ended the virqfd or the close of its eventfd.
 *
 * Context: May sleep; not from a callback of a virqfd.
 */
void vfio_virqfd_disable(struct virqfd **slot)
{
	scoped_guard(spinlock_irq, &virqfd_slot_lock) {
		if (*slot)
			virqfd_leave_slot(*slot);
	}

	/* A shutdown that the close of the eventfd queued counts as well. */
	flush_workqueue(virqfd_shutdown_wq);
}
EXPORT_SYMBOL_GPL(vfio_virqfd_disable);

/**
 * vfio_virqfd_flush_thread - Wait until a virqfd's worker is idle
 * @slot: Where the driver keeps the virqfd; it may hold NULL
 *
 * When it returns, every call of @thread that a signal before this call caused
 * is over.  A later signal can cause another.
 *
 * Context: May sleep; not from a callback of a virqfd.
 */
void vfio_virqfd_flush_thread(struct virqfd **slot)
{
	/*
	 * The eventfd can be closed at any moment, and then the virqfd is freed
	 * by a work of the ordered queue.  A work queued before that one may
	 * touch the virqfd; we ourselves may not.
	 */
	scoped_guard(spinlock_irq, &virqfd_slot_lock) {
		if (*slot)
			queue_work(virqfd_shutdown_wq, &(*slot)->flush_inject);
	}

	flush_workqueue(virqfd_shutdown_wq);
}
EXPORT_SYMBOL_GPL(vfio_virqfd_flush_thread);

/**
 * vfio_virqfd_start - Make the workqueue
 *
 * Context: Module initialisation, before any device can be registered.
 * Return: 0; -ENOMEM.
 */
int vfio_virqfd_start(void)
{
	virqfd_shutdown_wq = alloc_ordered_workqueue("vfio-virqfd", 0);
	return virqfd_shutdown_wq ? 0 : -ENOMEM;
}

/**
 * vfio_virqfd_stop - Free the workqueue
 *
 * Context: Module exit; no virqfd is enabled any more.
 */
void vfio_virqfd_stop(void)
{
	destroy_workqueue(virqfd_shutdown_wq);
}
