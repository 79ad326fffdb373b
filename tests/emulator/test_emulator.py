"""The emulator on classic kernels, and on kernels that do what CUDA does not allow."""

import numpy as np
import pytest

from tests import emulator
from tests.emulator import EmulatorError, Kernel

pytestmark = pytest.mark.skipif(not emulator.available(), reason="the emulator needs g++")

SEEDS = range(5)
RNG = np.random.default_rng(0)


# ---- classic kernels, against NumPy, under several schedules

REDUCE = """
__device__ __forceinline__ float warp_sum(float x) {
    for (int offset = 16; offset > 0; offset /= 2) x += __shfl_down_sync(0xffffffffu, x, offset);
    return x;
}
extern "C" __global__ void reduce(const float* __restrict__ x, float* total, int n) {
    __shared__ float partial[32];
    float mine = 0.0f;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
        mine += __ldg(x + i);
    mine = warp_sum(mine);
    if (threadIdx.x % warpSize == 0) partial[threadIdx.x / warpSize] = mine;
    __syncthreads();
    if (threadIdx.x < 32) {
        mine = threadIdx.x < blockDim.x / 32 ? partial[threadIdx.x] : 0.0f;
        mine = warp_sum(mine);
        if (threadIdx.x == 0) atomicAdd(total, mine);
    }
}
"""


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("threads", [32, 128, 1024])
def test_block_reduction(threads, seed):
    x = RNG.integers(-100, 100, 5000).astype(np.float32)
    total = np.zeros(1, np.float32)
    Kernel(REDUCE, "reduce").launch((3,), (threads,), [x, total, x.size], seed=seed)
    assert total[0] == x.sum()


SCAN = """
extern "C" __global__ void scan(const int* x, int* out) {
    extern __shared__ int buffer[];
    int* from = buffer;
    int* to = buffer + blockDim.x;
    from[threadIdx.x] = x[threadIdx.x];
    for (unsigned step = 1; step < blockDim.x; step *= 2) {
        __syncthreads();
        to[threadIdx.x] = from[threadIdx.x] + (threadIdx.x >= step ? from[threadIdx.x - step] : 0);
        int* other = from;
        from = to;
        to = other;
    }
    out[threadIdx.x] = from[threadIdx.x];
}
"""


@pytest.mark.parametrize("seed", SEEDS)
def test_scan_in_dynamic_shared_memory(seed):
    x = RNG.integers(-9, 9, 200).astype(np.int32)
    out = np.zeros_like(x)
    Kernel(SCAN, "scan").launch((1,), (200,), [x, out], shared=2 * 4 * 200, seed=seed)
    assert np.array_equal(out, np.cumsum(x))


@pytest.mark.parametrize("sanitize", [False, True])
def test_fibres_on_processors_without_a_switch_of_their_own(sanitize):
    x = RNG.integers(-9, 9, 64).astype(np.int32)
    out = np.zeros_like(x)
    kernel = Kernel(SCAN, "scan", sanitize=sanitize, options=["-DEMULATOR_UCONTEXT"])
    kernel.launch((1,), (64,), [x, out], shared=2 * 4 * 64)
    assert np.array_equal(out, np.cumsum(x))


def test_a_missing_barrier_shows_under_some_schedule():
    x = np.arange(200, dtype=np.int32)
    kernel = Kernel(SCAN.replace("        __syncthreads();\n", ""), "scan")
    wrong = 0
    for seed in SEEDS:
        out = np.zeros_like(x)
        kernel.launch((1,), (200,), [x, out], shared=2 * 4 * 200, seed=seed)
        wrong += not np.array_equal(out, np.cumsum(x))
    assert wrong


HISTOGRAM = """
#define BINS 16
extern "C" __global__ void __launch_bounds__(64) histogram(
    const unsigned char* x, unsigned long long n, unsigned* bins) {
    __shared__ unsigned mine[BINS];
    if (threadIdx.x < BINS) mine[threadIdx.x] = 0;
    __syncthreads();
    for (unsigned long long i = blockIdx.x * 64ull + threadIdx.x; i < n; i += gridDim.x * 64ull)
        atomicAdd(&mine[x[i] % BINS], 1);
    __syncthreads();
    if (threadIdx.x < BINS) atomicAdd(bins + threadIdx.x, mine[threadIdx.x]);
}
"""


@pytest.mark.parametrize("seed", SEEDS)
def test_histogram_with_shared_atomics(seed):
    x = RNG.integers(0, 256, 3000).astype(np.uint8)
    bins = np.zeros(16, np.uint32)
    Kernel(HISTOGRAM, "histogram").launch((5,), (64,), [x, x.size, bins], seed=seed)
    assert np.array_equal(bins, np.bincount(x % 16, minlength=16))


TRANSPOSE = """
template <typename T, int TILE>
__global__ void transpose(const T* x, T* out, int rows, int columns) {
    __shared__ __align__(16) T tile[TILE][TILE + 1];
    int row = blockIdx.y * TILE + threadIdx.y, column = blockIdx.x * TILE + threadIdx.x;
    if (row < rows && column < columns) tile[threadIdx.y][threadIdx.x] = x[row * columns + column];
    __syncthreads();
    row = blockIdx.x * TILE + threadIdx.y, column = blockIdx.y * TILE + threadIdx.x;
    if (row < columns && column < rows) out[row * rows + column] = tile[threadIdx.x][threadIdx.y];
}
"""


@pytest.mark.parametrize("sanitize", [False, True])
@pytest.mark.parametrize(("kind", "dtype"), [("float", np.float32), ("double", np.float64)])
def test_transpose_with_padding(kind, dtype, sanitize):
    x = RNG.normal(size=(37, 50)).astype(dtype)
    kernel = Kernel(TRANSPOSE, f"transpose<{kind}, 16>", sanitize=sanitize)
    for seed in SEEDS:
        out = np.full((50, 37), np.nan, dtype)
        kernel.launch((4, 3), (16, 16), [x, out, 37, 50], seed=seed)
        assert np.array_equal(out, x.T)


WARPS = """
extern "C" __global__ void warps(int* out) {
    const unsigned all = 0xffffffffu;
    const int lane = threadIdx.x % 32;
    int* row = out + threadIdx.x * 11;
    row[0] = __shfl_sync(all, lane * 10, 3);
    row[1] = __shfl_up_sync(all, lane, 2);
    row[2] = __shfl_xor_sync(all, lane, 5);
    row[3] = __shfl_down_sync(all, lane, 3, 8);
    row[4] = __ballot_sync(all, lane % 3 == 0);
    row[5] = __any_sync(all, lane == 7);
    row[6] = __all_sync(all, lane < 31);
    row[7] = __reduce_add_sync(all, lane);
    row[8] = __match_any_sync(all, lane / 8);
    row[9] = __syncthreads_count(lane < 5);
    if (lane < 16) row[10] = __shfl_xor_sync(0xffffu, lane, 1);
    else row[10] = __shfl_xor_sync(0xffff0000u, -lane, 1);
}
"""


@pytest.mark.parametrize("seed", SEEDS)
def test_warp_operations(seed):
    out = np.zeros((96, 11), np.int32)
    Kernel(WARPS, "warps").launch((1,), (96,), [out], seed=seed)
    lane = np.arange(96) % 32
    expected = [
        np.full(96, 30),
        np.where(lane < 2, lane, lane - 2),
        lane ^ 5,
        np.where(lane % 8 + 3 > 7, lane, lane + 3),
        np.full(96, sum(1 << i for i in range(0, 32, 3))),
        np.ones(96),
        np.zeros(96),
        np.full(96, 31 * 16),
        np.array(0xFF << lane // 8 * 8, np.uint32).astype(np.int32),
        np.full(96, 15),
        np.where(lane < 16, lane ^ 1, -(lane ^ 1)),
    ]
    assert np.array_equal(out, np.stack(expected, axis=1))


BITS = """
extern "C" __global__ void bits(const unsigned* x, unsigned* out) {
    const unsigned i = threadIdx.x, a = x[i], b = x[i + 1];
    unsigned* row = out + i * 8;
    row[0] = __popc(a);
    row[1] = __clz(a);
    row[2] = __brev(a);
    row[3] = __umulhi(a, b);
    row[4] = __funnelshift_l(a, b, 9);
    row[5] = __byte_perm(a, b, 0x7210);
    row[6] = __float_as_uint(__uint_as_float(a & 0x3fffffffu));
    row[7] = min(a, b) + (max(a, b) - min(a, b));
}
"""


def test_bit_operations():
    x = np.append(RNG.integers(0, 2**32, 64, dtype=np.uint64), np.uint64(0))
    out = np.zeros((64, 8), np.uint32)
    Kernel(BITS, "bits").launch((1,), (64,), [x.astype(np.uint32), out])
    a, b = x[:-1], x[1:]
    digits = [f"{int(v):032b}" for v in a]
    expected = [
        [d.count("1") for d in digits],
        [32 - int(v).bit_length() for v in a],
        [int(d[::-1], 2) for d in digits],
        a * b >> np.uint64(32),
        (b << np.uint64(9) | a >> np.uint64(23)) & np.uint64(0xFFFFFFFF),
        a & np.uint64(0xFFFFFF) | b & np.uint64(0xFF000000),
        a & np.uint64(0x3FFFFFFF),
        np.maximum(a, b),
    ]
    assert np.array_equal(out, np.stack(expected, axis=1))


LOCK = """
extern "C" __global__ void add_under_lock(int* lock, int* total) {
    bool done = false;
    while (!done) {
        if (atomicCAS(lock, 0, 1) == 0) {
            const int old = *total;
            __threadfence();
            *total = old + 1;
            __threadfence();
            atomicExch(lock, 0);
            done = true;
        }
    }
}
"""


def test_a_lock_across_blocks_is_held_and_released():
    total = np.zeros(1, np.int32)
    Kernel(LOCK, "add_under_lock").launch((6,), (32,), [np.zeros(1, np.int32), total], seed=3)
    assert total[0] == 6 * 32


GRID_BARRIER = """
extern "C" __global__ void wait_for_all(unsigned* arrived, unsigned* out) {
    if (threadIdx.x == 0) {
        atomicAdd(arrived, 1);
        while (atomicAdd(arrived, 0) < gridDim.x) {}
    }
    __syncthreads();
    out[blockIdx.x * blockDim.x + threadIdx.x] = *arrived;
}
"""


def test_blocks_that_are_resident_together_can_wait_for_each_other():
    arrived, out = np.zeros(1, np.uint32), np.zeros((4, 64), np.uint32)
    kernel = Kernel(GRID_BARRIER, "wait_for_all")
    kernel.launch((4,), (64,), [arrived, out], resident=4)
    assert np.array_equal(out, np.full((4, 64), 4))
    with pytest.raises(EmulatorError, match="a polling loop that waits for ever"):
        kernel.launch((4,), (64,), [arrived * 0, out], resident=2, switches=10_000)


VECTORS = """
extern "C" __global__ void axpy(float4* y, const float4* x, float a, dim3 unused) {
    const float4 u = x[threadIdx.x], v = y[threadIdx.x];
    const float z = __fmaf_rn(a, u.z, v.z);
    y[threadIdx.x] = make_float4(a * u.x + v.x, a * u.y + v.y, z, a * u.w + v.w);
    assert(unused.x + unused.y + unused.z == 3 && rsqrtf(4.0f) == 0.5f && __expf(0.0f) == 1.0f);
}
"""


@pytest.mark.parametrize("sanitize", [False, True])
def test_vector_types_and_structures(sanitize):
    x, y = RNG.integers(-9, 9, (2, 8, 4)).astype(np.float32)
    expected = y + 3 * x
    args = [y, x, np.float32(3), np.ones(3, np.uint32)]
    Kernel(VECTORS, "axpy", sanitize=sanitize).launch((1,), (8,), args)
    assert np.array_equal(y, expected)


HALF = """
#include <cuda_fp16.h>
#include <cuda_bf16.h>
extern "C" __global__ void halves(const __half* x, __half* out, __nv_bfloat16* brain) {
    const __half mine = x[threadIdx.x];
    const __half left = __shfl_up_sync(0xffffffffu, mine, 1);
    out[threadIdx.x] = __hadd(mine, left);
    brain[threadIdx.x] = __float2bfloat16(__half2float(mine));
}
"""


def test_half_precision_through_the_vendors_headers():
    if emulator.nvidia_include() is None:
        pytest.skip("NVIDIA's headers (cuda_fp16.h) are not installed")
    x = RNG.normal(size=32).astype(np.float16)
    out, brain = np.zeros(32, np.float16), np.zeros(32, np.uint16)
    Kernel(HALF, "halves").launch((1,), (32,), [x, out, brain])
    assert np.array_equal(out, x + np.concatenate([x[:1], x[:-1]]))
    widened = (brain.astype(np.uint32) << 16).view(np.float32)
    assert np.all(np.abs(widened - x) <= np.abs(x) * 2.0**-8)


# ---- what is not allowed, and how it is reported


def failing(body, threads=64, **options):
    source = f"\n\n__global__ void broken(int* x) {{\n{body}\n}}\n"
    with pytest.raises(EmulatorError) as caught:
        Kernel(source, "broken", sanitize=options.pop("sanitize", False)).launch(
            (1,), (threads,), [np.zeros(64, np.int32)], **options
        )
    return str(caught.value)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_barrier_in_a_branch_is_reported(seed):
    message = failing("if (threadIdx.x < 40) __syncthreads();", seed=seed)
    assert "line 4" in message
    assert "__syncthreads() in line 4 can never be reached" in message or "ended while" in message


@pytest.mark.parametrize("seed", SEEDS)
def test_two_barriers_in_two_branches_are_reported(seed):
    body = "if (threadIdx.x < 40)\n __syncthreads();\nelse\n __syncthreads();"
    message = failing(body, seed=seed)
    assert "diverged" in message
    assert "line 5" in message
    assert "line 7" in message


@pytest.mark.parametrize("seed", SEEDS)
def test_a_shuffle_with_a_lane_that_has_left_is_reported(seed):
    body = "if (threadIdx.x >= 30) return;\nx[0] = __shfl_down_sync(0xffffffffu, x[0], 1);"
    message = failing(body, threads=32, seed=seed)
    assert "mask 0xffffffff" in message
    assert "lane 3" in message or "ended while lane" in message


@pytest.mark.parametrize("seed", SEEDS)
def test_diverged_shuffles_are_reported(seed):
    body = """if (threadIdx.x < 16) x[0] = __shfl_xor_sync(0xffffffffu, x[0], 1);
    else x[1] = __shfl_xor_sync(0xffffffffu, x[0], 1);"""
    message = failing(body, threads=32, seed=seed)
    assert "diverged" in message
    assert "line 4" in message
    assert "line 5" in message


def test_lanes_that_wait_for_each_other_are_reported():
    body = """if (threadIdx.x == 0) x[0] = __any_sync(3u, 1);
    __syncthreads();"""
    message = failing(body, threads=32)
    assert "deadlock" in message or "ended" in message
    assert "line" in message


def test_masks_must_name_the_caller_and_the_source():
    assert "does not name the calling lane" in failing("x[0] = __any_sync(1u, 1);", threads=32)
    body = "if (threadIdx.x < 4) x[0] = __shfl_sync(0xfu, x[0], 9);"
    assert "reads lane 9, which mask 0x0000000f does not name" in failing(body, threads=32)
    body = "x[0] = __shfl_sync(0xffffffffu, x[0], 0);"
    assert "the block ends before it" in failing(body, threads=20)


def test_asserts_traps_and_faults_name_the_thread():
    message = failing("assert(threadIdx.x != 5);")
    assert "block (0, 0, 0), thread (5, 0, 0): assert(threadIdx.x != 5) in line 4" in message
    assert "__trap()" in failing("if (threadIdx.x == 63) __trap();")
    assert "Segmentation fault" in failing("*(int*)16 = 1;")
    assert "Floating point exception" in failing("x[0] = x[1] / x[2];")


def test_writes_beside_an_array_are_seen_without_a_sanitizer():
    assert "wrote outside of argument 0" in failing("x[64 + threadIdx.x / 63] = 7;")


def test_writes_behind_const_are_seen():
    source = "__global__ void sly(const int* x) {\n ((int*)x)[threadIdx.x] = 7;\n}\n"
    with pytest.raises(EmulatorError, match="pointer to const"):
        Kernel(source, "sly").launch((1,), (4,), [np.zeros(4, np.int32)])


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("x[0] = x[threadIdx.x + 1];", "heap-buffer-overflow"),
        ("__shared__ int s[63]; s[threadIdx.x] = 1;", "index 63 out of bounds"),
        ("extern __shared__ int s[]; s[threadIdx.x] = 1;", "heap-buffer-overflow"),
        ("int s[8]; s[threadIdx.x] = 1; x[0] = s[x[1]];", "out of bounds"),
        ("x[0] = 1 << (threadIdx.x + 1);", "shift exponent"),
        ("*(int4*)x = *(int4*)(x + threadIdx.x % 4);", "misaligned"),
        ("if (threadIdx.x == 3) __syncthreads();", "__syncthreads() in line 4"),
    ],
    ids=["array", "shared", "dynamic", "stack", "shift", "alignment", "barrier"],
)
def test_the_sanitizers_see(body, problem):
    message = failing(body, sanitize=True, shared=4 * 63)
    assert problem in message
    assert "kernel.cu:4" in message or "line 4" in message


def test_shared_memory_starts_as_nan():
    source = "__global__ void peek(float* x) {\n __shared__ float s;\n x[threadIdx.x] = s;\n}\n"
    x = np.zeros(32, np.float32)
    Kernel(source, "peek").launch((1,), (32,), [x])
    assert np.isnan(x).all()


@pytest.mark.parametrize(
    ("grid", "block", "args", "wanted"),
    [
        ((1,), (1025,), None, "1 to 1024 threads"),
        ((0,), (32,), None, "does not launch"),
        ((1, 70_000), (32,), None, "does not launch"),
        ((1,), (32,), [], "takes 3 arguments, got 0"),
        (
            (1,),
            (32,),
            [np.zeros(4), np.zeros(1, np.float32), 4],
            "argument 0, wanted elements of f4",
        ),
        ((1,), (32,), [np.zeros(4, "f4"), np.zeros(1, "f4"), 2**40], "a number of type i4"),
        ((1,), (32,), [np.zeros(4, "f4"), np.zeros(1, "f4"), np.int64(4)], "a number of type i4"),
        ((1,), (32,), [np.zeros((4, 4), "f4")[:, 0], np.zeros(1, "f4"), 4], "contiguous"),
        ((1,), (32,), [4, np.zeros(1, "f4"), 4], "wanted a contiguous array"),
    ],
)
def test_launches_that_do_not_fit_are_refused(grid, block, args, wanted):
    if args is None:
        args = [np.zeros(4, np.float32), np.zeros(1, np.float32), 4]
    with pytest.raises(EmulatorError, match=wanted):
        Kernel(REDUCE, "reduce").launch(grid, block, args)


def test_errors_of_the_compiler_name_the_line():
    with pytest.raises(EmulatorError, match=r"kernel\.cu:2.*nowhere"):
        Kernel("__global__ void f() {\n nowhere();\n}\n", "f")


def test_a_failed_launch_leaves_the_next_one_alone():
    kernel = Kernel("__global__ void f(int* x) {\n assert(*x == 0); *x = 5;\n}\n", "f")
    with pytest.raises(EmulatorError, match="assert"):
        kernel.launch((1,), (2,), [np.zeros(1, np.int32)])
    x = np.zeros(1, np.int32)
    kernel.launch((1,), (1,), [x])
    assert x[0] == 5


def test_kernels_of_one_source_share_a_binary():
    source = (
        "__global__ void f(int* x) {\n *x = 1;\n}\n__global__ void g(double* x) {\n *x = 2;\n}\n"
    )
    found = emulator.kernels(source, ["f", "g"])
    x, y = np.zeros(1, np.int32), np.zeros(1)
    found["f"].launch((1,), (1,), [x])
    found["g"].launch((1,), (1,), [y])
    assert (x[0], y[0]) == (1, 2)
