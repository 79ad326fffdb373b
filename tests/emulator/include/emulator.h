// Runs CUDA C++ on the CPU: a fibre for each CUDA thread, all on one thread of the system, switched
// at barriers, warp operations and atomics in an order that a seed shuffles. What a GPU leaves
// undefined and hides (a diverged barrier, a shuffle with a lane that has left) is an error here.
#pragma once

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <csetjmp>
#include <csignal>
#include <cstdarg>
#include <cstddef>
#include <deque>
#include <initializer_list>
#include <memory>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "fibre.h"
#include "types.h"

namespace emulator {

constexpr unsigned warp_size = 32;
constexpr size_t largest_value = 16;

enum class State { ready, at_barrier, in_warp_operation, exited };

struct Block;

struct Thread {
    Fibre fibre;
    Block* block = nullptr;
    uint3 index{};
    unsigned rank = 0;
    State state = State::ready;
    const char* operation = "";
    int line = 0;
    unsigned mask = 0;
    int barrier_result = 0;
    alignas(16) unsigned char value[largest_value]{};
    alignas(16) unsigned char received[warp_size][largest_value]{};

    unsigned lane() const { return rank % warp_size; }
};

struct Shared {
    const void* site;
    void* memory;
};

struct Block {
    uint3 index{};
    std::deque<Thread> threads;
    std::vector<Shared> shared;
    size_t exited = 0, arrived = 0;
    int count = 0;

    ~Block() {
        for (Shared& each : shared) free(each.memory);
    }
};

struct Launch {
    unsigned grid[3], block[3];
    unsigned long long shared, seed, resident, switches;
};

struct Machine {
    Launch launch{};
    uint3 grid{}, block{};
    void (*kernel)(void**) = nullptr;
    void** args = nullptr;
    std::vector<std::unique_ptr<Block>> resident;
    std::vector<Thread*> ready;
    Stacks stacks;
    std::string failure;
    sigjmp_buf crash;
    unsigned long long random = 0, switches = 0;
    Thread* current = nullptr;
    Fibre scheduler;
};

inline Machine machine;

inline unsigned long long random_below(unsigned long long n) {  // xorshift64*: any seed will do
    unsigned long long& x = machine.random;
    x ^= x >> 12, x ^= x << 25, x ^= x >> 27;
    return (x * 0x2545F4914F6CDD1DULL >> 32) % n;
}

inline std::string format(const char* text, ...) {
    char line[1024];
    va_list list;
    va_start(list, text);
    vsnprintf(line, sizeof line, text, list);
    va_end(list);
    return line;
}

inline std::string where(const Thread& t) {
    const uint3 b = t.block->index;
    return format("block (%u, %u, %u), thread (%u, %u, %u)", b.x, b.y, b.z, t.index.x, t.index.y,
                  t.index.z);
}

// Ends the launch with a message; the threads are left where they are.
[[noreturn]] inline void fail(const std::string& problem) {
    machine.failure = where(*machine.current) + ": " + problem;
    switch_fibre(machine.current->fibre, machine.scheduler, true);
    abort();
}

// Gives the processor back; the caller has put the thread where it will be found again.
inline void leave() { switch_fibre(machine.current->fibre, machine.scheduler, false); }

inline void make_ready(Thread& t) {
    t.state = State::ready;
    machine.ready.push_back(&t);
}

// A place where another thread may run: atomics, fences, polling loops.
inline void may_switch() {
    if (random_below(4)) return;
    make_ready(*machine.current);
    leave();
}

// ---- the barrier of a block

inline void check_barrier(const Thread& me) {
    for (const Thread& other : me.block->threads) {
        if (other.state == State::exited)
            fail(format("%s in line %d can never be reached by thread (%u, %u, %u), which has ended",
                        me.operation, me.line, other.index.x, other.index.y, other.index.z));
        if (other.state == State::at_barrier && other.line != me.line)
            fail(format("diverged: this thread is at %s in line %d, thread (%u, %u, %u) at %s in "
                        "line %d",
                        me.operation, me.line, other.index.x, other.index.y, other.index.z,
                        other.operation, other.line));
    }
}

inline int barrier(const char* operation, int line, bool predicate) {
    Thread& me = *machine.current;
    Block& block = *me.block;
    me.operation = operation, me.line = line;
    check_barrier(me);
    me.state = State::at_barrier;
    block.count += predicate;
    if (++block.arrived == block.threads.size()) {
        const int count = block.count;
        block.arrived = block.count = 0;
        for (Thread& other : block.threads) {
            other.barrier_result = count;
            make_ready(other);
        }
    }
    leave();
    return me.barrier_result;
}

// ---- operations of a warp: each lane named in the mask hands in a value and receives all of them

inline Thread& lane_of(const Thread& me, unsigned lane) {
    return me.block->threads[me.rank - me.lane() + lane];
}

inline bool named(unsigned mask, unsigned lane) { return mask >> lane & 1; }

// Shuffles and votes need one call site; a __syncwarp() may meet another one.
inline bool same_call(const Thread& a, const Thread& b) {
    const bool anywhere = !strcmp(a.operation, "__syncwarp");
    return a.operation == b.operation && a.mask == b.mask && (a.line == b.line || anywhere);
}

inline bool all_arrived(const Thread& me) {
    bool complete = true;
    for (unsigned lane = 0; lane < warp_size; ++lane) {
        if (!named(me.mask, lane)) continue;
        if (me.rank - me.lane() + lane >= me.block->threads.size())
            fail(format("%s in line %d: mask 0x%08x names lane %u, but the block ends before it",
                        me.operation, me.line, me.mask, lane));
        const Thread& other = lane_of(me, lane);
        if (other.state == State::exited)
            fail(format("%s in line %d: mask 0x%08x names lane %u, which has ended", me.operation,
                        me.line, me.mask, lane));
        if (other.state != State::in_warp_operation)
            complete = false;
        else if (!same_call(me, other) && named(other.mask, me.lane()))
            fail(format("diverged: this thread is in %s with mask 0x%08x in line %d, lane %u in %s "
                        "with mask 0x%08x in line %d",
                        me.operation, me.mask, me.line, lane, other.operation, other.mask,
                        other.line));
        else if (!same_call(me, other))
            complete = false;
    }
    return complete;
}

inline void warp_operation(const char* operation, int line, unsigned mask, const void* value,
                           size_t size) {
    Thread& me = *machine.current;
    me.operation = operation, me.line = line, me.mask = mask;
    if (!named(mask, me.lane()))
        fail(format("%s in line %d: mask 0x%08x does not name the calling lane %u", operation, line,
                    mask, me.lane()));
    memcpy(me.value, value, size);
    me.state = State::in_warp_operation;
    if (all_arrived(me)) {
        for (unsigned to = 0; to < warp_size; ++to) {
            if (!named(mask, to)) continue;
            Thread& receiver = lane_of(me, to);
            for (unsigned from = 0; from < warp_size; ++from)
                if (named(mask, from))
                    memcpy(receiver.received[from], lane_of(me, from).value, largest_value);
            make_ready(receiver);
        }
    }
    leave();
}

template <typename T>
T received_from(unsigned lane) {
    T value;
    memcpy(&value, machine.current->received[lane], sizeof value);
    return value;
}

template <typename T>
T shuffle(const char* operation, int line, unsigned mask, T value, unsigned source) {
    static_assert(sizeof(T) <= largest_value, "a shuffle moves at most 16 bytes");
    warp_operation(operation, line, mask, &value, sizeof value);
    if (!named(mask, source))
        fail(format("%s in line %d reads lane %u, which mask 0x%08x does not name", operation, line,
                    source, mask));
    return received_from<T>(source);
}

// Folds the values of the lanes named in the mask: votes and warp reductions.
template <typename T, typename Combine>
T warp_fold(const char* operation, int line, unsigned mask, T value, Combine combine) {
    warp_operation(operation, line, mask, &value, sizeof value);
    T total{};
    bool first = true;
    for (unsigned lane = 0; lane < warp_size; ++lane) {
        if (!named(mask, lane)) continue;
        const T next = received_from<T>(lane);
        total = first ? next : combine(total, next);
        first = false;
    }
    return total;
}

// ---- shared memory: exact allocations of the block, filled with NaN, one for each declaration

inline void* shared_memory(const void* site, size_t size) {
    Block& block = *machine.current->block;
    for (const Shared& each : block.shared)
        if (each.site == site) return each.memory;
    void* memory = nullptr;
    if (posix_memalign(&memory, 1024, size ? size : 1)) abort();
    memset(memory, 0xFF, size);
    block.shared.push_back({site, memory});
    return memory;
}

template <typename T>
T& shared(const void* site) {
    return *static_cast<T*>(shared_memory(site, sizeof(T)));
}

template <typename T>
T* dynamic_shared() {
    return static_cast<T*>(shared_memory(nullptr, machine.launch.shared));
}

// ---- running a grid

inline void end_thread(Thread& me) {
    me.state = State::exited;
    for (const Thread& other : me.block->threads) {
        if (other.state == State::at_barrier)
            fail(format("ended while thread (%u, %u, %u) waits for it at %s in line %d",
                        other.index.x, other.index.y, other.index.z, other.operation, other.line));
        if (other.state == State::in_warp_operation && other.rank / warp_size == me.rank / warp_size
            && named(other.mask, me.lane()))
            fail(format("ended while lane %u waits for it in %s with mask 0x%08x in line %d",
                        other.lane(), other.operation, other.mask, other.line));
    }
    ++me.block->exited;
}

inline void run_thread() {
    entered_fibre();
    machine.kernel(machine.args);
    end_thread(*machine.current);
    switch_fibre(machine.current->fibre, machine.scheduler, true);
}

inline void start_block(unsigned long long number) {
    auto block = std::make_unique<Block>();
    const uint3 grid = machine.grid, shape = machine.block;
    block->index = {unsigned(number % grid.x), unsigned(number / grid.x % grid.y),
                    unsigned(number / grid.x / grid.y)};
    for (unsigned rank = 0; rank < shape.x * shape.y * shape.z; ++rank) {
        Thread& t = block->threads.emplace_back();
        t.block = block.get(), t.rank = rank;
        t.index = {rank % shape.x, rank / shape.x % shape.y, rank / shape.x / shape.y};
        t.fibre.start(machine.stacks.take(), run_thread);
        make_ready(t);
    }
    machine.resident.push_back(std::move(block));
}

inline void end_block(const Block* ended) {
    for (auto& block : machine.resident) {
        if (block.get() != ended) continue;
        for (Thread& t : block->threads) machine.stacks.idle.push_back(t.fibre.stack);
        std::swap(block, machine.resident.back());
        machine.resident.pop_back();
        return;
    }
}

inline void report_deadlock() {
    for (const auto& block : machine.resident)
        for (const Thread& t : block->threads)
            if (t.state == State::in_warp_operation || t.state == State::at_barrier) {
                machine.failure = where(t) + format(": deadlock: waits for ever in %s (mask 0x%08x)"
                                                    " in line %d", t.operation,
                                                    t.state == State::at_barrier ? ~0u : t.mask,
                                                    t.line);
                return;
            }
}

inline void run_grid() {
    const uint3 grid = machine.grid;
    const unsigned long long blocks = 1ULL * grid.x * grid.y * grid.z;
    unsigned long long next = 0;
    while (machine.failure.empty()) {
        while (next < blocks && machine.resident.size() < machine.launch.resident)
            start_block(next++);
        if (machine.resident.empty()) return;
        if (machine.ready.empty()) return report_deadlock();
        if (++machine.switches > machine.launch.switches) {
            machine.failure = "no end after so many switches between threads: a polling loop that "
                              "waits for ever?";
            return;
        }
        std::swap(machine.ready[random_below(machine.ready.size())], machine.ready.back());
        Thread& t = *machine.ready.back();
        machine.ready.pop_back();
        machine.current = &t;
        switch_fibre(machine.scheduler, t.fibre, false);
        if (t.state == State::exited && t.block->exited == t.block->threads.size())
            end_block(t.block);
    }
}

inline void on_crash(int signal) { siglongjmp(machine.crash, signal); }

// Turns a fault of the processor inside the kernel into a message; a sanitizer has its own.
inline void run_guarded() {
#ifdef __SANITIZE_ADDRESS__
    run_grid();
#else
    static char stack[65536];
    stack_t mine{}, previous_stack{};
    mine.ss_sp = stack, mine.ss_size = sizeof stack;
    sigaltstack(&mine, &previous_stack);
    const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    struct sigaction action {}, previous[4];
    action.sa_handler = on_crash, action.sa_flags = SA_ONSTACK;
    for (int i = 0; i < 4; ++i) sigaction(signals[i], &action, &previous[i]);
    const int signal = sigsetjmp(machine.crash, 1);
    if (!signal)
        run_grid();
    else
        machine.failure = where(*machine.current) + ": " + strsignal(signal);
    for (int i = 0; i < 4; ++i) sigaction(signals[i], &previous[i], nullptr);
    sigaltstack(&previous_stack, nullptr);
#endif
}

inline int launch(const Launch& launch, void** args, void (*kernel)(void**), char* message,
                  size_t capacity) {
    machine.launch = launch, machine.args = args, machine.kernel = kernel;
    machine.grid = {launch.grid[0], launch.grid[1], launch.grid[2]};
    machine.block = {launch.block[0], launch.block[1], launch.block[2]};
    machine.random = launch.seed * 0x9E3779B97F4A7C15ULL + 0x2545F4914F6CDD1DULL;
    machine.failure.clear(), machine.ready.clear(), machine.switches = 0;
    const size_t threads = 1ULL * launch.block[0] * launch.block[1] * launch.block[2];
    const size_t blocks = 1ULL * launch.grid[0] * launch.grid[1] * launch.grid[2];
    machine.stacks.allocate(threads * std::min<size_t>(blocks, launch.resident));
    run_guarded();
    machine.resident.clear();  // blocks are left only where the launch failed
    machine.stacks.release();
    snprintf(message, capacity, "%s", machine.failure.c_str());
    return !machine.failure.empty();
}

// ---- the kernel's parameters, for the driver: "*f4" is float*, "c*u8" const unsigned long long*

template <typename T>
std::string type_code() {
    if constexpr (std::is_pointer_v<T>) {
        using Target = std::remove_pointer_t<T>;
        return (std::is_const_v<Target> ? "c*" : "*") + type_code<std::remove_cv_t<Target>>();
    } else if constexpr (std::is_void_v<T>) {
        return "V1";
    } else {
        const char* kind = std::is_same_v<T, bool>         ? "b"
                           : std::is_floating_point_v<T>   ? "f"
                           : !std::is_integral_v<T>        ? "V"
                           : std::is_unsigned_v<T>         ? "u"
                                                           : "i";
        return kind + std::to_string(sizeof(T));
    }
}

template <typename... P>
std::string signature(void (*)(P...)) {
    std::string codes;
    for (const std::string& code : std::initializer_list<std::string>{type_code<P>()...})
        codes += code + " ";
    return codes;
}

template <typename... P, size_t... I>
void apply(void (*kernel)(P...), void** args, std::index_sequence<I...>) {
    kernel(*static_cast<std::remove_reference_t<P>*>(args[I])...);
}

template <typename... P>
void call(void (*kernel)(P...), void** args) {
    apply(kernel, args, std::index_sequence_for<P...>());
}

}  // namespace emulator

#include "builtins.h"
