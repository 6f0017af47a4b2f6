// librdkafka starts its threads and takes its locks with C11's functions, which ThreadSanitizer of
// GCC 12 does not know: a thread that it has not seen start crashes in its first malloc, and what a
// lock orders looks like a race. glibc's C11 types are its POSIX types; here the functions are too.
// Linked into the tsan preset's programs only, in front of libc.
#include <pthread.h>
#include <threads.h>

#include <cerrno>
#include <cstdint>
#include <memory>

namespace {

struct Start {
    thrd_start_t function;
    void* argument;
};

void* run(void* given) {
    const std::unique_ptr<Start> start(static_cast<Start*>(given));
    const std::intptr_t result = start->function(start->argument);
    return reinterpret_cast<void*>(result);
}

int answer(int error) {
    switch (error) {
        case 0:
            return thrd_success;
        case EBUSY:
            return thrd_busy;
        case ETIMEDOUT:
            return thrd_timedout;
        case ENOMEM:
            return thrd_nomem;
        default:
            return thrd_error;
    }
}

pthread_mutex_t* posix(mtx_t* mutex) { return reinterpret_cast<pthread_mutex_t*>(mutex); }
pthread_cond_t* posix(cnd_t* condition) { return reinterpret_cast<pthread_cond_t*>(condition); }

}  // namespace

extern "C" {

int thrd_create(thrd_t* thread, thrd_start_t function, void* argument) {
    auto start = std::make_unique<Start>(Start{function, argument});
    const int error = pthread_create(thread, nullptr, run, start.get());
    if (error == 0) start.release();
    return answer(error);
}
int thrd_detach(thrd_t thread) { return answer(pthread_detach(thread)); }
int thrd_join(thrd_t thread, int* result) {
    void* value = nullptr;
    const int error = pthread_join(thread, &value);
    if (result != nullptr) *result = static_cast<int>(reinterpret_cast<std::intptr_t>(value));
    return answer(error);
}

int mtx_init(mtx_t* mutex, int type) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    if ((type & mtx_recursive) != 0)
        pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    const int error = pthread_mutex_init(posix(mutex), &attributes);
    pthread_mutexattr_destroy(&attributes);
    return answer(error);
}
void mtx_destroy(mtx_t* mutex) { pthread_mutex_destroy(posix(mutex)); }
int mtx_lock(mtx_t* mutex) { return answer(pthread_mutex_lock(posix(mutex))); }
int mtx_trylock(mtx_t* mutex) { return answer(pthread_mutex_trylock(posix(mutex))); }
int mtx_unlock(mtx_t* mutex) { return answer(pthread_mutex_unlock(posix(mutex))); }

int cnd_init(cnd_t* condition) { return answer(pthread_cond_init(posix(condition), nullptr)); }
void cnd_destroy(cnd_t* condition) { pthread_cond_destroy(posix(condition)); }
int cnd_signal(cnd_t* condition) { return answer(pthread_cond_signal(posix(condition))); }
int cnd_broadcast(cnd_t* condition) { return answer(pthread_cond_broadcast(posix(condition))); }
int cnd_wait(cnd_t* condition, mtx_t* mutex) {
    return answer(pthread_cond_wait(posix(condition), posix(mutex)));
}
int cnd_timedwait(cnd_t* condition, mtx_t* mutex, const timespec* until) {
    return answer(pthread_cond_timedwait(posix(condition), posix(mutex), until));
}

}  // extern "C"
