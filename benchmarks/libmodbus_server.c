/* The peer in C of M4: libmodbus, one thread, select; serves the registers of a file.
 *
 *   libmodbus_server IMAGE      prints the port that it listens on
 */
#include <arpa/inet.h>
#include <errno.h>
#include <modbus.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS = 16, REGISTERS_MAX = 65536 };

static void read_image(const char *path, modbus_mapping_t *mapping) {
    unsigned char pair[2];
    FILE *file = fopen(path, "rb");
    if (file == NULL) exit(1);
    for (int i = 0; i < REGISTERS_MAX && fread(pair, 1, 2, file) == 2; i++)
        mapping->tab_registers[i] = pair[0] << 8 | pair[1];
    fclose(file);
}

static void accept_one(int listening, fd_set *open, int *highest) {
    int one = 1, fd = accept(listening, NULL, NULL);
    if (fd < 0) return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    FD_SET(fd, open);
    if (fd > *highest) *highest = fd;
}

int main(int argc, char **argv) {
    unsigned char query[MODBUS_TCP_MAX_ADU_LENGTH];
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    if (argc != 2) return 2;
    modbus_t *context = modbus_new_tcp("127.0.0.1", 0);
    modbus_mapping_t *mapping = modbus_mapping_new(0, 0, REGISTERS_MAX, 0);
    if (context == NULL || mapping == NULL) return 1;
    read_image(argv[1], mapping);
    int listening = modbus_tcp_listen(context, CONNECTIONS);
    if (listening < 0 || getsockname(listening, (struct sockaddr *)&address, &size) < 0) return 1;
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    fd_set open, ready;
    int highest = listening;
    FD_ZERO(&open);
    FD_SET(listening, &open);
    for (;;) {
        ready = open;
        if (select(highest + 1, &ready, NULL, NULL, NULL) < 0) return 1;
        for (int fd = 0; fd <= highest; fd++) {
            if (!FD_ISSET(fd, &ready)) continue;
            if (fd == listening) {
                accept_one(listening, &open, &highest);
                continue;
            }
            modbus_set_socket(context, fd);
            int length = modbus_receive(context, query);
            if (length > 0) {
                modbus_reply(context, query, length, mapping);
            } else if (length < 0) {
                close(fd);
                FD_CLR(fd, &open);
            }
        }
    }
}
