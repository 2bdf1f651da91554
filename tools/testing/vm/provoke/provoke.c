// SPDX-License-Identifier: GPL-2.0-only
/*
 * One report of each of the kernel's checkers, on demand.
 *
 * The file "provoke" in debugfs lists the kinds; the word for a kind written to
 * it makes the kernel report that kind.  scripts/test provoke looks whether the
 * guests' judge sees each.  Every function here is wrong on purpose.
 */
#include <linux/debugfs.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/timer.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

struct kind {
	const char *name;
	void (*provoke)(void);
};

/* A number that the compiler knows nothing of. */
static int unknown(int number)
{
	OPTIMIZER_HIDE_VAR(number);
	return number;
}

static void provoke_warning(void)
{
	WARN(1, "provoked\n");
}

static void provoke_kasan_bounds(void)
{
	char *memory = kmalloc(64, GFP_KERNEL);

	OPTIMIZER_HIDE_VAR(memory);
	if (memory)
		WRITE_ONCE(memory[unknown(64)], 1);
	kfree(memory);
}

static void provoke_kasan_freed(void)
{
	char *memory = kmalloc(64, GFP_KERNEL);

	OPTIMIZER_HIDE_VAR(memory);
	kfree(memory);
	if (memory)
		READ_ONCE(memory[8]);
}

static int array[4];

static void provoke_ubsan_bounds(void)
{
	array[unknown(5)] = 1;
}

static void provoke_ubsan_shift(void)
{
	WRITE_ONCE(array[0], unknown(1) << unknown(40));
}

static void provoke_refcount(void)
{
	static refcount_t count;

	refcount_set(&count, 0);
	refcount_inc(&count);
}

static void provoke_atomic_sleep(void)
{
	static DEFINE_SPINLOCK(lock);

	spin_lock(&lock);
	might_sleep();
	spin_unlock(&lock);
}

static void provoked_timer(struct timer_list *timer)
{
}

static void provoke_debug_objects(void)
{
	struct timer_list *timer = kzalloc_obj(*timer);

	if (!timer)
		return;
	timer_setup(timer, provoked_timer, 0);
	mod_timer(timer, jiffies + 3600 * HZ);
	kfree(timer);
}

static void provoke_rcu(void)
{
	static int __rcu *pointer;

	rcu_dereference(pointer);
}

/* Lockdep says nothing more after its first report: after provoke_rcu(). */
static void provoke_lockdep(void)
{
	static DEFINE_MUTEX(one);
	static DEFINE_MUTEX(two);

	mutex_lock(&one);
	mutex_lock(&two);
	mutex_unlock(&two);
	mutex_unlock(&one);

	mutex_lock(&two);
	mutex_lock(&one);
	mutex_unlock(&one);
	mutex_unlock(&two);
}

static DECLARE_WAIT_QUEUE_HEAD(hung);
static bool hung_is_over;

/* The job turns the watchdog's patience down and waits for its report. */
static void provoke_hung_task(void)
{
	wait_event(hung, READ_ONCE(hung_is_over));
}

static void provoke_list(void)
{
	struct list_head entry, head = LIST_HEAD_INIT(head);

	list_add(&entry, &head);
	entry.next = &entry;
	list_del(&entry);
}

static void provoke_oops(void)
{
	WRITE_ONCE(*(int *)(unsigned long)unknown(8), 1);
}

/* kmemleak looks when the job is done: the last. */
static void provoke_leak(void)
{
	int i;

	/* The address of the newest may stay in a register or on a stack. */
	for (i = 0; i < 16; i++) {
		void *lost = kmalloc(96, GFP_KERNEL);

		barrier_data(lost);
	}
}

/* In an order in which none silences a later one: a report of KASAN ends lockdep. */
static const struct kind kinds[] = {
	{ "rcu", provoke_rcu },
	{ "lockdep", provoke_lockdep },
	{ "warning", provoke_warning },
	{ "kasan-bounds", provoke_kasan_bounds },
	{ "kasan-freed", provoke_kasan_freed },
	{ "ubsan-bounds", provoke_ubsan_bounds },
	{ "ubsan-shift", provoke_ubsan_shift },
	{ "refcount", provoke_refcount },
	{ "atomic-sleep", provoke_atomic_sleep },
	{ "debug-objects", provoke_debug_objects },
	{ "hung-task", provoke_hung_task },
	{ "list", provoke_list },
	{ "oops", provoke_oops },
	{ "leak", provoke_leak },
};

static ssize_t provoke_read(struct file *file, char __user *to, size_t size,
			    loff_t *position)
{
	char text[256];
	size_t used = 0;
	int i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		used += scnprintf(text + used, sizeof(text) - used, "%s\n",
				  kinds[i].name);
	return simple_read_from_buffer(to, size, position, text, used);
}

static ssize_t provoke_write(struct file *file, const char __user *from,
			     size_t size, loff_t *position)
{
	char word[32] = {};
	int i;

	if (size >= sizeof(word) || copy_from_user(word, from, size))
		return -EINVAL;
	if (sysfs_streq(word, "hung-task-over")) {
		WRITE_ONCE(hung_is_over, true);
		wake_up_all(&hung);
		return size;
	}
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!sysfs_streq(word, kinds[i].name))
			continue;
		kinds[i].provoke();
		return size;
	}
	return -EINVAL;
}

static const struct file_operations provoke_fops = {
	.owner = THIS_MODULE,
	.read = provoke_read,
	.write = provoke_write,
};

static int __init provoke_init(void)
{
	debugfs_create_file("provoke", 0600, NULL, NULL, &provoke_fops);
	return 0;
}
module_init(provoke_init);

MODULE_DESCRIPTION("One report of each of the kernel's checkers");
MODULE_LICENSE("GPL");
