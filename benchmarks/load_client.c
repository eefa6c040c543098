/* Modbus/TCP load client of M4: N connections, D requests in flight on each, every answer checked.
 *
 *   load_client PORT CONNECTIONS REGISTERS DEPTH SECONDS IMAGE|=N|-
 *
 * IMAGE holds the registers of the server as big-endian bytes from register 0 on; each answer is
 * compared with it. "=N" stands for N registers whose contents may change, "-" for an echo server:
 * its answer is the request. A connection that is silent for SILENCE_MS has lost its requests; they
 * are counted, and it is opened anew.
 *
 * Prints one line: requests, wrong answers, lost requests, seconds, p50 and p99 in us, CPU seconds.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 64, DEPTH_MAX = 64, ADU_MAX = 260, REQUEST = 12, SILENCE_MS = 100 };
enum { BUCKETS = 1000000 }; /* one a microsecond; slower answers go into the last one */

struct pending {
    uint64_t sent_ns;
    uint16_t transaction, address;
};

struct connection {
    int fd;
    unsigned head, in_flight, filled;
    uint64_t heard_ns;
    struct pending pending[DEPTH_MAX];
    unsigned char buffer[ADU_MAX * DEPTH_MAX];
};

static struct connection connections[CONNECTIONS_MAX];
static uint32_t histogram[BUCKETS];
static unsigned char *image;
static unsigned image_registers = 60000, registers, depth;
static int is_echo;
static uint16_t next_transaction;
static uint32_t random_state = 12345;
static uint64_t done, wrong, lost;
static struct sockaddr_in server;

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + t.tv_nsec;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void open_connection(struct connection *c) {
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0) fail("socket");
    if (connect(c->fd, (struct sockaddr *)&server, sizeof server) < 0) fail("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    c->head = c->in_flight = c->filled = 0;
    c->heard_ns = now_ns();
}

static void send_requests(struct connection *c, unsigned count) {
    unsigned char out[REQUEST * DEPTH_MAX];
    uint64_t now = now_ns();
    for (unsigned i = 0; i < count; i++) {
        unsigned char *p = out + REQUEST * i;
        struct pending *next = &c->pending[(c->head + c->in_flight) % DEPTH_MAX];
        random_state = random_state * 1664525u + 1013904223u;
        next->transaction = ++next_transaction;
        next->address = (random_state >> 8) % (image_registers - registers + 1);
        next->sent_ns = now;
        c->in_flight++;
        p[0] = next->transaction >> 8, p[1] = next->transaction & 255;
        p[2] = p[3] = p[4] = 0, p[5] = 6, p[6] = 1, p[7] = 3;
        p[8] = next->address >> 8, p[9] = next->address & 255;
        p[10] = 0, p[11] = registers;
    }
    if (send(c->fd, out, REQUEST * count, MSG_NOSIGNAL) != (ssize_t)(REQUEST * count)) fail("send");
}

static int is_right(const struct pending *p, const unsigned char *adu, unsigned length) {
    if ((adu[0] << 8 | adu[1]) != p->transaction || adu[2] || adu[3]) return 0;
    if (is_echo) return length == REQUEST && (adu[8] << 8 | adu[9]) == p->address;
    if (length != 9 + 2 * registers || adu[7] != 3 || adu[8] != 2 * registers) return 0;
    return image == NULL || memcmp(adu + 9, image + 2 * p->address, 2 * registers) == 0;
}

static void take_answers(struct connection *c) {
    unsigned used = 0, answered = 0;
    ssize_t got = recv(c->fd, c->buffer + c->filled, sizeof c->buffer - c->filled, 0);
    if (got <= 0) fail("recv");
    c->filled += got;
    c->heard_ns = now_ns();
    while (c->filled - used >= 6) {
        unsigned char *adu = c->buffer + used;
        unsigned length = 6 + (adu[4] << 8 | adu[5]);
        if (length > ADU_MAX || c->filled - used < length) break;
        if (c->in_flight > 0) {
            struct pending *p = &c->pending[c->head % DEPTH_MAX];
            uint64_t us = (c->heard_ns - p->sent_ns) / 1000;
            histogram[us < BUCKETS ? us : BUCKETS - 1]++;
            if (!is_right(p, adu, length)) wrong++;
            c->head = (c->head + 1) % DEPTH_MAX;
            c->in_flight--;
            answered++;
        }
        used += length;
    }
    memmove(c->buffer, c->buffer + used, c->filled - used);
    c->filled -= used;
    done += answered;
    if (answered) send_requests(c, answered);
}

static void watch(int epoll, struct connection *c) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event) < 0) fail("epoll_ctl");
    send_requests(c, depth);
}

static void reopen_silent(int epoll, unsigned count) {
    uint64_t limit = now_ns() - (uint64_t)SILENCE_MS * 1000000u;
    for (unsigned i = 0; i < count; i++) {
        struct connection *c = &connections[i];
        if (c->in_flight == 0 || c->heard_ns > limit) continue;
        lost += c->in_flight;
        close(c->fd);
        open_connection(c);
        watch(epoll, c);
    }
}

static unsigned percentile(double share) {
    uint64_t wanted = (uint64_t)(share * done), seen = 0;
    for (unsigned us = 0; us < BUCKETS; us++)
        if ((seen += histogram[us]) > wanted) return us;
    return BUCKETS;
}

static void read_image(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) fail(path);
    image = malloc(2 * 65536);
    image_registers = fread(image, 2, 65536, file);
    fclose(file);
}

int main(int argc, char **argv) {
    struct epoll_event events[CONNECTIONS_MAX];
    struct rusage usage;
    if (argc != 7) return 2;
    unsigned count = atoi(argv[2]);
    double seconds = atof(argv[5]);
    registers = atoi(argv[3]), depth = atoi(argv[4]);
    is_echo = strcmp(argv[6], "-") == 0;
    if (argv[6][0] == '=')
        image_registers = atoi(argv[6] + 1);
    else if (!is_echo)
        read_image(argv[6]);
    if (count < 1 || count > CONNECTIONS_MAX || depth < 1 || depth > DEPTH_MAX || registers < 1 ||
        registers > 125 || image_registers < registers)
        return 2;
    server.sin_family = AF_INET;
    server.sin_port = htons(atoi(argv[1]));
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int epoll = epoll_create1(0);
    for (unsigned i = 0; i < count; i++) open_connection(&connections[i]);
    uint64_t begin = now_ns(), end = begin + (uint64_t)(seconds * 1e9), looked = begin;
    for (unsigned i = 0; i < count; i++) watch(epoll, &connections[i]);
    while (now_ns() < end) {
        int ready = epoll_wait(epoll, events, CONNECTIONS_MAX, SILENCE_MS);
        for (int i = 0; i < ready; i++) take_answers(events[i].data.ptr);
        if (now_ns() - looked > (uint64_t)SILENCE_MS * 1000000u) {
            looked = now_ns();
            reopen_silent(epoll, count);
        }
    }
    double took = (now_ns() - begin) / 1e9;
    getrusage(RUSAGE_SELF, &usage);
    double cpu = usage.ru_utime.tv_sec + usage.ru_stime.tv_sec +
                 (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    printf("%llu %llu %llu %.6f %u %u %.6f\n", (unsigned long long)done,
           (unsigned long long)wrong, (unsigned long long)lost, took, percentile(0.50),
           percentile(0.99), cpu);
    return 0;
}
