// Fibres: stacks of their own and a switch between them, known to AddressSanitizer.
#pragma once

#include <sys/mman.h>
#include <ucontext.h>

#include <cstddef>
#include <cstdlib>
#include <vector>

#if defined(__x86_64__) && !defined(EMULATOR_UCONTEXT)
#define EMULATOR_OWN_SWITCH
#endif

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace emulator {

struct Stack {
    char* bottom = nullptr;
    size_t size = 0;
};

// The stacks of one launch; below each lies a page that is not mapped, so that a thread with too
// many local variables crashes instead of writing into its neighbour.
struct Stacks {
    static constexpr size_t each = 256 << 10, guard = 4096;
    char* memory = nullptr;
    size_t size = 0;
    std::vector<Stack> idle;

    void allocate(size_t count) {
        size = count * each;
        void* mapped = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (mapped == MAP_FAILED) abort();
        memory = static_cast<char*>(mapped);
        for (size_t i = 0; i < count; ++i) {
            if (mprotect(memory + i * each, guard, PROT_NONE)) abort();
            idle.push_back({memory + i * each + guard, each - guard});
        }
    }

    Stack take() {
        Stack stack = idle.back();
        idle.pop_back();
        return stack;
    }

    void release() {
        munmap(memory, size);
        idle.clear();
    }
};

#ifdef EMULATOR_OWN_SWITCH
// swapcontext() makes a system call for each switch; this takes a few nanoseconds.
extern "C" void emulator_switch(void** save, void* load) __attribute__((visibility("hidden")));
asm(R"(
    .text
    .hidden emulator_switch
    .globl emulator_switch
    .type emulator_switch, @function
emulator_switch:
    pushq %rbp; pushq %rbx; pushq %r12; pushq %r13; pushq %r14; pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15; popq %r14; popq %r13; popq %r12; popq %rbx; popq %rbp
    ret
    .size emulator_switch, .-emulator_switch
)");
#endif

struct Fibre {
    Stack stack;
    void* fake_stack = nullptr;  // AddressSanitizer's
#ifdef EMULATOR_OWN_SWITCH
    void* top = nullptr;
#else
    ucontext_t context{};
#endif

    // The first switch to the fibre calls `entry`, which never returns.
    void start(Stack on, void (*entry)()) {
        stack = on;
#ifdef __SANITIZE_ADDRESS__
        ASAN_UNPOISON_MEMORY_REGION(stack.bottom, stack.size);
#endif
#ifdef EMULATOR_OWN_SWITCH
        void** slots = reinterpret_cast<void**>(stack.bottom + stack.size) - 8;
        for (int i = 0; i < 8; ++i) slots[i] = nullptr;
        slots[6] = reinterpret_cast<void*>(entry);  // returned to, after six registers are popped
        top = slots;
#else
        getcontext(&context);
        context.uc_stack.ss_sp = stack.bottom, context.uc_stack.ss_size = stack.size;
        makecontext(&context, entry, 0);
#endif
    }
};

inline Stack scheduler_stack;  // where the first fibre was entered from

inline void switch_fibre(Fibre& from, Fibre& to, [[maybe_unused]] bool for_ever) {
#ifdef __SANITIZE_ADDRESS__
    const Stack target = to.stack.bottom ? to.stack : scheduler_stack;
    __sanitizer_start_switch_fiber(for_ever ? nullptr : &from.fake_stack, target.bottom,
                                   target.size);
#endif
#ifdef EMULATOR_OWN_SWITCH
    emulator_switch(&from.top, to.top);
#else
    swapcontext(&from.context, &to.context);
#endif
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(from.fake_stack, nullptr, nullptr);
#endif
}

inline void entered_fibre() {
#ifdef __SANITIZE_ADDRESS__
    const void* bottom;
    __sanitizer_finish_switch_fiber(nullptr, &bottom, &scheduler_stack.size);
    scheduler_stack.bottom = static_cast<char*>(const_cast<void*>(bottom));
#endif
}

}  // namespace emulator
