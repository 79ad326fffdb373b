// The built-in variables and functions of CUDA C++, in terms of the emulator.
#pragma once

#define threadIdx (::emulator::machine.current->index)
#define blockIdx (::emulator::machine.current->block->index)
#define blockDim (::emulator::machine.block)
#define gridDim (::emulator::machine.grid)
#define warpSize 32

#undef assert
#define assert(condition)                                                                  \
    ((condition) ? (void)0                                                                 \
                 : ::emulator::fail(::emulator::format("assert(%s) in line %d", #condition, \
                                                       __LINE__)))
[[noreturn]] inline void __trap() { emulator::fail("__trap()"); }

// ---- synchronisation; a default argument of __builtin_LINE() is the line of the call

inline void __syncthreads(int line = __builtin_LINE()) {
    emulator::barrier("__syncthreads()", line, false);
}
inline int __syncthreads_count(int predicate, int line = __builtin_LINE()) {
    return emulator::barrier("__syncthreads_count()", line, predicate);
}
inline int __syncthreads_or(int predicate, int line = __builtin_LINE()) {
    return emulator::barrier("__syncthreads_or()", line, predicate) > 0;
}
inline int __syncthreads_and(int predicate, int line = __builtin_LINE()) {
    return emulator::barrier("__syncthreads_and()", line, !predicate) == 0;
}
inline void __syncwarp(unsigned mask = ~0u, int line = __builtin_LINE()) {
    emulator::warp_operation("__syncwarp()", line, mask, "", 1);
}
inline void __threadfence() { emulator::may_switch(); }
inline void __threadfence_block() { emulator::may_switch(); }
inline void __threadfence_system() { emulator::may_switch(); }
inline void __nanosleep(unsigned) { emulator::may_switch(); }

// ---- warps

template <typename T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32, int line = __builtin_LINE()) {
    const unsigned lane = emulator::machine.current->lane(), first = lane & ~(width - 1u);
    return emulator::shuffle("__shfl_sync()", line, mask, value, first + (source & (width - 1)));
}
template <typename T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32,
                 int line = __builtin_LINE()) {
    const unsigned lane = emulator::machine.current->lane(), place = lane & (width - 1u);
    const unsigned source = delta > place ? lane : lane - delta;
    return emulator::shuffle("__shfl_up_sync()", line, mask, value, source);
}
template <typename T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32,
                   int line = __builtin_LINE()) {
    const unsigned lane = emulator::machine.current->lane(), place = lane & (width - 1u);
    const unsigned source = delta >= width - place ? lane : lane + delta;
    return emulator::shuffle("__shfl_down_sync()", line, mask, value, source);
}
template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32, int line = __builtin_LINE()) {
    const unsigned lane = emulator::machine.current->lane(), last = lane | (width - 1u);
    const unsigned source = (lane ^ bits) > last ? lane : lane ^ bits;
    return emulator::shuffle("__shfl_xor_sync()", line, mask, value, source);
}
inline unsigned __ballot_sync(unsigned mask, int predicate, int line = __builtin_LINE()) {
    const unsigned bit = predicate ? 1u << emulator::machine.current->lane() : 0u;
    return emulator::warp_fold("__ballot_sync()", line, mask, bit,
                               [](unsigned a, unsigned b) { return a | b; });
}
inline int __any_sync(unsigned mask, int predicate, int line = __builtin_LINE()) {
    return emulator::warp_fold("__any_sync()", line, mask, int(predicate != 0),
                               [](int a, int b) { return a | b; });
}
inline int __all_sync(unsigned mask, int predicate, int line = __builtin_LINE()) {
    return emulator::warp_fold("__all_sync()", line, mask, int(predicate != 0),
                               [](int a, int b) { return a & b; });
}
template <typename T>
unsigned __match_any_sync(unsigned mask, T value, int line = __builtin_LINE()) {
    emulator::warp_operation("__match_any_sync()", line, mask, &value, sizeof value);
    unsigned equal = 0;
    for (unsigned lane = 0; lane < emulator::warp_size; ++lane)
        if (emulator::named(mask, lane) && emulator::received_from<T>(lane) == value)
            equal |= 1u << lane;
    return equal;
}
#define EMULATOR_WARP_REDUCTION(name, expression)                                        \
    template <typename T>                                                                \
    T __reduce_##name##_sync(unsigned mask, T value, int line = __builtin_LINE()) {      \
        return emulator::warp_fold("__reduce_" #name "_sync()", line, mask, value,       \
                                   [](T a, T b) { return T(expression); });              \
    }
EMULATOR_WARP_REDUCTION(add, a + b)
EMULATOR_WARP_REDUCTION(min, a < b ? a : b)
EMULATOR_WARP_REDUCTION(max, a > b ? a : b)
EMULATOR_WARP_REDUCTION(and, a & b)
EMULATOR_WARP_REDUCTION(or, a | b)
EMULATOR_WARP_REDUCTION(xor, a ^ b)
#undef EMULATOR_WARP_REDUCTION

// ---- atomics: threads switch at calls alone, so plain operations are atomic

namespace emulator {
template <typename T, typename Combine>
T atomic(T* address, Combine combine) {
    may_switch();
    const T old = *address;
    *address = combine(old);
    return old;
}
template <typename T>
using Given = typename std::enable_if<true, T>::type;  // not deduced: atomicAdd(&unsigned, 1)
}  // namespace emulator

#define EMULATOR_ATOMIC(name, expression)                                                \
    template <typename T>                                                                \
    T name(T* address, emulator::Given<T> value) {                                       \
        return emulator::atomic(address, [=](T old) { return T(expression); });          \
    }                                                                                    \
    template <typename T>                                                                \
    T name##_block(T* address, emulator::Given<T> value) { return name(address, value); }
EMULATOR_ATOMIC(atomicAdd, old + value)
EMULATOR_ATOMIC(atomicSub, old - value)
EMULATOR_ATOMIC(atomicExch, value)
EMULATOR_ATOMIC(atomicMin, value < old ? value : old)
EMULATOR_ATOMIC(atomicMax, value > old ? value : old)
EMULATOR_ATOMIC(atomicAnd, old & value)
EMULATOR_ATOMIC(atomicOr, old | value)
EMULATOR_ATOMIC(atomicXor, old ^ value)
EMULATOR_ATOMIC(atomicInc, old >= value ? 0 : old + 1)
EMULATOR_ATOMIC(atomicDec, old == 0 || old > value ? value : old - 1)
#undef EMULATOR_ATOMIC
template <typename T>
T atomicCAS(T* address, emulator::Given<T> compare, emulator::Given<T> value) {
    return emulator::atomic(address, [=](T old) { return old == compare ? value : old; });
}

// ---- memory

template <typename T> T __ldg(const T* p) { return *p; }
template <typename T> T __ldca(const T* p) { return *p; }
template <typename T> T __ldcg(const T* p) { return *p; }
template <typename T> T __ldcs(const T* p) { return *p; }
template <typename T> T __ldcv(const T* p) { return emulator::may_switch(), *p; }
template <typename T> void __stcg(T* p, emulator::Given<T> value) { *p = value; }
template <typename T> void __stcs(T* p, emulator::Given<T> value) { *p = value; }
template <typename T> void __stwt(T* p, emulator::Given<T> value) { *p = value; }

// ---- bits

namespace emulator {
template <typename To, typename From>
To bits_as(From value) {
    static_assert(sizeof(To) == sizeof(From));
    To out;
    memcpy(&out, &value, sizeof out);
    return out;
}
}  // namespace emulator

#ifndef EMULATOR_NVIDIA_HEADERS
inline float __int_as_float(int x) { return emulator::bits_as<float>(x); }
inline float __uint_as_float(unsigned x) { return emulator::bits_as<float>(x); }
inline int __float_as_int(float x) { return emulator::bits_as<int>(x); }
inline unsigned __float_as_uint(float x) { return emulator::bits_as<unsigned>(x); }
#endif
inline double __longlong_as_double(long long x) { return emulator::bits_as<double>(x); }
inline long long __double_as_longlong(double x) { return emulator::bits_as<long long>(x); }
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __clz(int x) { return x ? __builtin_clz(x) : 32; }
inline int __clzll(long long x) { return x ? __builtin_clzll(x) : 64; }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline unsigned __brev(unsigned x) {
    unsigned out = 0;
    for (int i = 0; i < 32; ++i) out |= (x >> i & 1) << (31 - i);
    return out;
}
inline int __mulhi(int a, int b) { return int(1LL * a * b >> 32); }
inline unsigned __umulhi(unsigned a, unsigned b) { return unsigned(1ULL * a * b >> 32); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned long long)((unsigned __int128)a * b >> 64);
}
inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift) {
    return unsigned(((1ULL * high << 32 | low) << (shift & 31)) >> 32);
}
inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
    return unsigned((1ULL * high << 32 | low) >> (shift & 31));
}
inline unsigned __byte_perm(unsigned a, unsigned b, unsigned selector) {
    unsigned out = 0;
    for (int i = 0; i < 4; ++i) {
        const unsigned code = selector >> 4 * i & 15;
        const unsigned byte = (1ULL * b << 32 | a) >> 8 * (code & 7) & 255;
        out |= (code & 8 ? (byte & 128 ? 255 : 0) : byte) << 8 * i;
    }
    return out;
}

// ---- arithmetic: what rounds to nearest on the GPU is exact here, fast versions are accurate

template <typename A, typename B>
constexpr std::common_type_t<A, B> min(A a, B b) {
    using T = std::common_type_t<A, B>;
    if constexpr (std::is_floating_point_v<T>) return fmin(T(a), T(b));
    return T(b) < T(a) ? T(b) : T(a);
}
template <typename A, typename B>
constexpr std::common_type_t<A, B> max(A a, B b) {
    using T = std::common_type_t<A, B>;
    if constexpr (std::is_floating_point_v<T>) return fmax(T(a), T(b));
    return T(a) < T(b) ? T(b) : T(a);
}
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __frcp_rn(float x) { return 1.0f / x; }
inline float __fsqrt_rn(float x) { return sqrtf(x); }
inline float __frsqrt_rn(float x) { return float(1.0 / sqrt(double(x))); }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dsub_rn(double a, double b) { return a - b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __fma_rn(double a, double b, double c) { return fma(a, b, c); }
inline double __ddiv_rn(double a, double b) { return a / b; }
inline double __drcp_rn(double x) { return 1.0 / x; }
inline double __dsqrt_rn(double x) { return sqrt(x); }
inline float __fdividef(float a, float b) { return a / b; }
inline float __saturatef(float x) { return fminf(fmaxf(x, 0.0f), 1.0f); }
inline float __expf(float x) { return expf(x); }
inline float __exp10f(float x) { return exp10f(x); }
inline float __logf(float x) { return logf(x); }
inline float __log2f(float x) { return log2f(x); }
inline float __log10f(float x) { return log10f(x); }
inline float __sinf(float x) { return sinf(x); }
inline float __cosf(float x) { return cosf(x); }
inline float __tanf(float x) { return tanf(x); }
inline float __tanhf(float x) { return tanhf(x); }
inline float __powf(float x, float y) { return powf(x, y); }
inline float rsqrtf(float x) { return float(1.0 / sqrt(double(x))); }
inline double rsqrt(double x) { return 1.0 / sqrt(x); }
inline float rcbrtf(float x) { return float(1.0 / cbrt(double(x))); }
inline double rcbrt(double x) { return 1.0 / cbrt(x); }
inline float sinpif(float x) { return float(sin(M_PI * fmod(double(x), 2.0))); }
inline double sinpi(double x) { return sin(M_PI * fmod(x, 2.0)); }
inline float cospif(float x) { return float(cos(M_PI * fmod(double(x), 2.0))); }
inline double cospi(double x) { return cos(M_PI * fmod(x, 2.0)); }
inline int __float2int_rn(float x) { return int(nearbyintf(x)); }
inline int __float2int_rz(float x) { return int(x); }
inline float __int2float_rn(int x) { return float(x); }
inline float __uint2float_rn(unsigned x) { return float(x); }
inline double __int2double_rn(int x) { return x; }
inline float __double2float_rn(double x) { return float(x); }
