# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What a report of the kernel's checkers looks like in its log.

KERNEL_REPORTS='WARNING: |BUG: |kernel BUG at|Oops|general protection fault|'
KERNEL_REPORTS+='Kernel panic|possible (recursive|circular|irq)|inconsistent lock|'
KERNEL_REPORTS+='bad unlock balance|suspicious RCU usage|KASAN: |UBSAN: |KCSAN: |'
KERNEL_REPORTS+='kmemleak: ([1-9]|Cannot (allocate a kmemleak_object|insert)|.*disabled)|'
KERNEL_REPORTS+='unreferenced object|refcount_t: |list_(add|del) corruption|'
KERNEL_REPORTS+='INFO: (task|rcu|possible)|rcu: INFO|detected stall|soft lockup|hard LOCKUP|'
KERNEL_REPORTS+='sleeping function called|scheduling while atomic|ODEBUG: |'
KERNEL_REPORTS+='Unable to handle kernel|stack guard page|cut here|page allocation failure|'
# What the guest's init says of a device, module or image that was refused.
KERNEL_REPORTS+='vm: .*(was not taken by|does not load|does not mount)'

# kernel_reports LOG: the reports in a kernel's log; fails if there is none.
kernel_reports() {
	grep -aE "$KERNEL_REPORTS" "$1" | grep -av -i 'command line:'
}
