/* MPI ranks that compute for random times and then sum a vector with Allreduce; each sum is checked. */
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define LENGTH 4096
#define SIDE 64
#define MAX_COMPUTE_SECONDS 0.05

static uint64_t state;

/* xorshift64*: the same seed and rank give the same numbers (Vigna 2016). */
static double uniform(void)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (double)((state * 2685821657736338717ULL) >> 11) / 9007199254740992.0;
}

static double compute(double seconds)
{
    static double left[SIDE][SIDE], right[SIDE][SIDE];
    double end = MPI_Wtime() + seconds, trace = 0;

    for (int row = 0; row < SIDE; row++)
        for (int column = 0; column < SIDE; column++) {
            left[row][column] = uniform();
            right[row][column] = uniform();
        }
    while (MPI_Wtime() < end)
        for (int row = 0; row < SIDE; row++)
            for (int column = 0; column < SIDE; column++)
                trace += left[row][column] * right[column][row];
    return trace;
}

int main(int argc, char **argv)
{
    static double mine[LENGTH + 1], total[LENGTH + 1];
    int rank, ranks;
    long turns = 0;
    volatile double kept = 0;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    double end = MPI_Wtime() + (argc > 1 ? atof(argv[1]) : 10.0);
    state = 0x9E3779B97F4A7C15ULL * (uint64_t)(rank + 1) + (argc > 2 ? strtoull(argv[2], 0, 10) : 1);

    do { /* the last element counts the ranks that would go on, so that all stop together */
        kept += compute(uniform() * MAX_COMPUTE_SECONDS);
        for (int place = 0; place < LENGTH; place++)
            mine[place] = (double)(rank + place + turns % 1000);
        mine[LENGTH] = MPI_Wtime() < end;
        MPI_Allreduce(mine, total, LENGTH + 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
        for (int place = 0; place < LENGTH; place++)
            if (total[place] != ranks * (ranks - 1) / 2.0 + ranks * (double)(place + turns % 1000)) {
                fprintf(stderr, "mpi: wrong sum in turn %ld\n", turns);
                MPI_Abort(MPI_COMM_WORLD, 1);
            }
        turns++;
    } while (total[LENGTH] == ranks);
    if (rank == 0)
        printf("mpi: %ld sums over %d ranks, all right\n", turns, ranks);
    MPI_Finalize();
    return 0;
}
