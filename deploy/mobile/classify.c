/* Classifies a digit with a pushed TensorFlow Lite model and LiteRT's C API.
 *
 *   cc -O2 -o classify classify.c -ldl -lm
 *   ./classify PATH/TO/libLiteRt.so exports/3/tflite/int8.tflite < image.txt
 *
 * image.txt holds 8 x 8 numbers from 0 to 16, separated by white space. The library is in the Python package
 * ai-edge-litert; it comes without header files, so the functions used here are declared below as LiteRT 2.3 has them
 * (https://github.com/google-ai-edge/LiteRT/tree/main/litert/c).
 */

#include <dlfcn.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIXELS = 64, CLASSES = 10, INT8 = 9, FLOAT32 = 1, CPU = 1, READ = 0, WRITE = 1 };

typedef void *Handle;
typedef struct {
  int32_t element_type;
  uint32_t rank_and_strides; /* seven bits of rank, one that says whether there are strides */
  int32_t dimensions[8];
  uint32_t strides[8];
} TensorType;
typedef struct {
  float scale;
  int64_t zero_point;
} Quantization;

static Handle library;

static void fail(const char *fact, const char *detail) {
  fprintf(stderr, "classify: %s: %s\n", fact, detail);
  exit(1);
}

/* Returns a function of the library; a library without it is of another version. */
static Handle find(const char *name) {
  Handle found = dlsym(library, name);
  if (!found) fail("the library has no function of this name; use ai-edge-litert 2.3", name);
  return found;
}

/* Calls a function of the library and stops unless it returns 0. */
#define CALL(name, types, ...) \
  do { \
    if (((int32_t (*) types)find(#name))(__VA_ARGS__) != 0) fail("this call failed", #name); \
  } while (0)

static Quantization read_quantization(Handle tensor) {
  Quantization found = {0.0f, 0};
  int32_t kind = 0;
  CALL(LiteRtGetQuantizationTypeId, (Handle, int32_t *), tensor, &kind);
  if (kind == 1) CALL(LiteRtGetPerTensorQuantization, (Handle, Quantization *), tensor, &found);
  return found;
}

/* Returns a buffer in the memory of this process for one row of the tensor. */
static Handle make_buffer(Handle environment, TensorType *type, Handle requirements) {
  Handle buffer = NULL;
  type->dimensions[0] = 1;
  CALL(LiteRtCreateManagedTensorBufferFromRequirements, (Handle, const TensorType *, Handle, Handle *), environment, type,
       requirements, &buffer);
  return buffer;
}

static void write_pixels(Handle buffer, int32_t type, Quantization quantization, const float *pixels) {
  void *memory = NULL;
  CALL(LiteRtLockTensorBuffer, (Handle, void **, int32_t), buffer, &memory, WRITE);
  for (int at = 0; at < PIXELS; at++) {
    if (type == INT8) {
      float number = roundf(pixels[at] / quantization.scale) + (float)quantization.zero_point;
      ((int8_t *)memory)[at] = (int8_t)fmaxf(-128.0f, fminf(127.0f, number));
    } else {
      ((float *)memory)[at] = pixels[at];
    }
  }
  CALL(LiteRtUnlockTensorBuffer, (Handle), buffer);
}

static void read_shares(Handle buffer, int32_t type, Quantization quantization, float *shares) {
  void *memory = NULL;
  CALL(LiteRtLockTensorBuffer, (Handle, void **, int32_t), buffer, &memory, READ);
  for (int at = 0; at < CLASSES; at++) {
    shares[at] = type == INT8 ? (float)(((int8_t *)memory)[at] - quantization.zero_point) * quantization.scale
                              : ((float *)memory)[at];
  }
  CALL(LiteRtUnlockTensorBuffer, (Handle), buffer);
}

int main(int count, char **arguments) {
  if (count != 3) fail("usage", "classify PATH/TO/libLiteRt.so MODEL.tflite < image.txt");
  library = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
  if (!library) fail("the library cannot be loaded", dlerror());
  float pixels[PIXELS], shares[CLASSES];
  for (int at = 0; at < PIXELS; at++) {
    if (scanf("%f", &pixels[at]) != 1) fail("the standard input", "holds fewer than 64 numbers");
  }

  Handle environment = NULL, model = NULL, options = NULL, compiled = NULL, signature = NULL;
  Handle input = NULL, output = NULL, needed = NULL;
  CALL(LiteRtCreateEnvironment, (int, const void *, Handle *), 0, NULL, &environment);
  CALL(LiteRtCreateModelFromFile, (Handle, const char *, Handle *), environment, arguments[2], &model);
  CALL(LiteRtCreateOptions, (Handle *), &options);
  CALL(LiteRtSetOptionsHardwareAccelerators, (Handle, int32_t), options, CPU);
  CALL(LiteRtCreateCompiledModel, (Handle, Handle, Handle, Handle *), environment, model, options, &compiled);
  CALL(LiteRtGetModelSignature, (Handle, size_t, Handle *), model, 0, &signature);
  CALL(LiteRtGetSignatureInputTensor, (Handle, const char *, Handle *), signature, "image", &input);
  CALL(LiteRtGetSignatureOutputTensor, (Handle, const char *, Handle *), signature, "probabilities", &output);

  TensorType input_type, output_type;
  CALL(LiteRtGetRankedTensorType, (Handle, TensorType *), input, &input_type);
  CALL(LiteRtGetRankedTensorType, (Handle, TensorType *), output, &output_type);
  if (input_type.element_type != INT8 && input_type.element_type != FLOAT32) {
    fail(arguments[2], "takes neither int8 nor float32; use the variant int8 or float32");
  }
  const int shape[] = {1, 8, 8};
  CALL(LiteRtCompiledModelResizeInputTensor, (Handle, size_t, size_t, const int *, size_t), compiled, 0, 0, shape, 3);
  CALL(LiteRtGetCompiledModelInputBufferRequirements, (Handle, size_t, size_t, Handle *), compiled, 0, 0, &needed);
  Handle from = make_buffer(environment, &input_type, needed);
  CALL(LiteRtGetCompiledModelOutputBufferRequirements, (Handle, size_t, size_t, Handle *), compiled, 0, 0, &needed);
  Handle to = make_buffer(environment, &output_type, needed);

  write_pixels(from, input_type.element_type, read_quantization(input), pixels);
  CALL(LiteRtRunCompiledModel, (Handle, size_t, size_t, Handle *, size_t, Handle *), compiled, 0, 1, &from, 1, &to);
  read_shares(to, output_type.element_type, read_quantization(output), shares);

  int top = 0;
  for (int at = 1; at < CLASSES; at++) top = shares[at] > shares[top] ? at : top;
  printf("%d", top);
  for (int at = 0; at < CLASSES; at++) printf(" %.6f", (double)shares[at]);
  printf("\n");
  return 0;
}
