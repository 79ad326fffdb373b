// Random bits: element i of a [keys, count] output is the hash of counter i % count under key
// i / count. One thread an element: 75 integer operations for 4 bytes, so arithmetic bounds it.
#include "device/threefry.cuh"

__device__ __forceinline__ uint64 global_thread() {
    return (uint64)blockIdx.x * blockDim.x + threadIdx.x;
}

// Word by word: a key cut out of a larger array need not be aligned to 8 bytes.
__device__ __forceinline__ uint2 load_key(const uint32* keys, uint64 number) {
    return make_uint2(keys[2 * number], keys[2 * number + 1]);
}

// Division of 64-bit numbers costs more than the hash itself: 32 bits wherever they hold both.
__device__ __forceinline__ uint2 hash_element(const uint32* keys, uint64 count, uint64 i) {
    if ((i | count) >> 32) return hash_counter(load_key(keys, i / count), i % count);
    const uint32 key = (uint32)i / (uint32)count;
    return hash_counter(load_key(keys, key), (uint32)i - key * (uint32)count);
}

// The layouts of one hash: narrow integers keep the low bits, 64 bits the first word on top.
template <typename T>
__device__ __forceinline__ void store(T* out, uint2 hash) {
    *out = (T)(hash.x ^ hash.y);
}
__device__ __forceinline__ void store(uint64* out, uint2 hash) {
    *out = (uint64)hash.x << 32 | hash.y;
}
__device__ __forceinline__ void store(uint2* out, uint2 hash) { *out = hash; }

#define RANDOM_KERNEL(name, T)                                                             \
    extern "C" __global__ void __launch_bounds__(256)                                      \
        name(const uint32* keys, uint64 count, uint64 size, T* out) {                       \
        const uint64 i = global_thread();                                                  \
        if (i < size) store(out + i, hash_element(keys, count, i));                        \
    }

RANDOM_KERNEL(random_bits_8, uint8)
RANDOM_KERNEL(random_bits_16, uint16)
RANDOM_KERNEL(random_bits_32, uint32)
RANDOM_KERNEL(random_bits_64, uint64)
RANDOM_KERNEL(random_split, uint2)

// The hash itself, of contiguous operands; a stride of 0 repeats a single word.
extern "C" __global__ void __launch_bounds__(256) threefry(
    const uint32* k0, const uint32* k1, const uint32* x0, const uint32* x1, uint64 k0_stride,
    uint64 k1_stride, uint64 x0_stride, uint64 x1_stride, uint64 size, uint32* y0, uint32* y1) {
    const uint64 i = global_thread();
    if (i >= size) return;
    const uint2 key = make_uint2(k0[i * k0_stride], k1[i * k1_stride]);
    const uint2 y = threefry2x32(key, make_uint2(x0[i * x0_stride], x1[i * x1_stride]));
    y0[i] = y.x;
    y1[i] = y.y;
}
