// Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror, Shaw: Parallel Random Numbers: As Easy as
// 1, 2, 3, SC 2011); the same bits as the array code in fxad/ops/threefry.py.
#pragma once

typedef unsigned char uint8;
typedef unsigned short uint16;
typedef unsigned int uint32;
typedef unsigned long long uint64;

__device__ __forceinline__ uint32 rotate_left(uint32 x, int distance) {
    return (x << distance) | (x >> (32 - distance));
}

__device__ __forceinline__ uint2 threefry2x32(uint2 key, uint2 x) {
    const int rotations[2][4] = {{13, 15, 26, 6}, {17, 29, 16, 24}};
    const uint32 words[3] = {key.x, key.y, key.x ^ key.y ^ 0x1BD11BDAu};
    x.x += words[0];
    x.y += words[1];
#pragma unroll
    for (int group = 0; group < 5; ++group) {
#pragma unroll
        for (int round = 0; round < 4; ++round) {
            x.x += x.y;
            x.y = rotate_left(x.y, rotations[group % 2][round]) ^ x.x;
        }
        x.x += words[(group + 1) % 3];
        x.y += words[(group + 2) % 3] + (group + 1);
    }
    return x;
}

// The hash of a 64-bit counter, high word first.
__device__ __forceinline__ uint2 hash_counter(uint2 key, uint64 counter) {
    return threefry2x32(key, make_uint2((uint32)(counter >> 32), (uint32)counter));
}
