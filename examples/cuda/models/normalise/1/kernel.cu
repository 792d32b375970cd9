// Images of interleaved bytes (height, width, RGB) become planes of floats (RGB, height, width), with
// the mean and the deviation of each colour taken out, as models trained on ImageNet want them.
extern "C" __global__ void normalise(const unsigned char* images, float* planes,
                                     unsigned long long pixels,  // of one image
                                     unsigned long long total)   // of all images
{
  const float mean[3] = {0.485f, 0.456f, 0.406f};
  const float deviation[3] = {0.229f, 0.224f, 0.225f};
  const unsigned long long i = (unsigned long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= total) return;
  const unsigned long long image = i / pixels;
  const unsigned long long pixel = i % pixels;
  for (int colour = 0; colour < 3; ++colour) {
    const float value = images[3 * i + colour] / 255.0f;
    planes[(3 * image + colour) * pixels + pixel] = (value - mean[colour]) / deviation[colour];
  }
}
